"""Functions that tests give to schedulers by name."""

from __future__ import annotations

import os
from typing import Any


def nothing() -> None:
    return None


def echo(*args: Any, **kwargs: Any) -> Any:
    return (args, kwargs)


def two(a: Any, b: Any = 2) -> Any:
    return (a, b)


def fail() -> None:
    raise ValueError("it went wrong")


async def later(value: int) -> int:
    return value + 1


class Owner:
    def method(self) -> str:
        return "method"

    @classmethod
    def made(cls) -> str:
        return cls.__name__

    @staticmethod
    def free() -> str:
        return "free"


def sulk(flag: str) -> str:
    """Fails until the flag file is there."""
    if not os.path.exists(flag):
        raise ConnectionError("the other side is away")
    return "well"
