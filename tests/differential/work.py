"""What the programs call: importable, so that every store and pool can find it."""

from __future__ import annotations

import threading
from typing import Any

CALLS: list[Any] = []
GATE = threading.Event()


def nothing() -> None:
    return None


def add(a: int, b: int = 2, *, c: int = 3) -> int:
    return a + b + c


def only_place(a: int, b: int, /) -> int:
    return a - b


def fail(text: str = "it went wrong") -> None:
    raise ValueError(text)


def note(what: Any) -> Any:
    CALLS.append(what)
    return what


def hold() -> None:
    GATE.wait(90)


async def later(value: int) -> int:
    return value + 1


class Counter:
    """With methods of every kind."""

    def __init__(self, start: int = 0) -> None:
        self.value = start

    def step(self, by: int = 1) -> int:
        self.value += by
        return self.value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Counter) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return f"Counter({self.value})"

    def __call__(self) -> int:
        return self.step()

    @classmethod
    def made(cls) -> str:
        return cls.__name__

    @staticmethod
    def free() -> str:
        return "free"
