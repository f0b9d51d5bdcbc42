"""How many, as people say it."""

from __future__ import annotations

from collections.abc import Sequence


def count(number: int, word: str, words: str = "") -> str:
    """`1 job`, `2,000 jobs`; `words`: where more of them are not the word and an s."""
    return f"{number:,} {word if number == 1 else words or f'{word}s'}"


def few(names: Sequence[str], most: int = 5) -> str:
    """The first names, and how many more there are: `a, b, c, d, e and 3 more`."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown
