"""The `log:` channel: says the message where the runner says everything else. Needs no network."""

from __future__ import annotations

from collections.abc import Callable

from runner.notify.base import Message


class LogNotifier:
    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def send(self, message: Message) -> None:
        lines = [f"ALERT {message.title}", *message.body.splitlines()]
        self._say("\n".join("  | " + line if line else "  |" for line in lines))
