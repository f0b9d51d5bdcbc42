"""The `log:` channel: says the message where the runner says everything else. Needs no network."""

from __future__ import annotations

from collections.abc import Callable

from runner.notify.base import Message


class LogNotifier:
    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def send(self, message: Message) -> None:
        word = "ALERT" if message.level in ("failure", "warning") else "NEWS"
        body = (f"| {line}".rstrip() for line in message.body.splitlines())
        self._say("\n".join((f"{word} {message.title}", *body)))
