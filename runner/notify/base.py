"""Telling people: the protocol of whatever carries a message to a channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """What people read. Plain text; `attachment` is a path to send along where the channel can."""

    title: str
    body: str
    level: Literal["info", "success", "warning", "failure"] = "info"
    attachment: str | None = None


class Notifier(Protocol):
    """Law: `send` may block (it runs in a thread of its own) and raises where the message did not arrive."""

    def send(self, message: Message) -> None: ...
