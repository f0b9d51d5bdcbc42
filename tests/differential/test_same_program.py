"""The same program under `apscheduler` and under `runner`: whatever it sees is the same, but for what is listed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.differential import programs_jobs, programs_running, programs_states, programs_triggers, work
from tests.differential.differences import KNOWN, MORE_WORDS, TEXTS
from tests.differential.library import Library

ALL = [
    *programs_jobs.PROGRAMS,
    *programs_states.PROGRAMS,
    *programs_running.PROGRAMS,
    *programs_triggers.PROGRAMS,
]


def seen(root: str, program: Callable[[Library], None]) -> list[Any]:
    work.CALLS.clear()
    work.GATE.clear()
    library = Library(root)
    program(library)
    return library.seen


@pytest.mark.parametrize("program", ALL, ids=lambda each: each.__name__)
def test_the_same_is_seen(program: Callable[[Library], None]) -> None:
    theirs, ours = seen("apscheduler", program), seen("runner", program)
    known = KNOWN.get(program.__name__, {})
    differ = []
    for index, (one, other) in enumerate(zip(theirs, ours, strict=True)):
        if one == other or _says_more(one, other, anyhow=program.__name__ in TEXTS):
            continue
        differ.append(index)
        assert index in known, f"observation {index}\n  APScheduler {one}\n  runner      {other}"
    assert theirs, "a program that sees nothing proves nothing"
    assert differ == sorted(known), "a difference that is listed is no longer there"


def _says_more(one: Any, other: Any, *, anyhow: bool) -> bool:
    """Two errors of one kind, of which ours has the longer text, or (`anyhow`) another one."""
    if one[:1] != ("raised",) or one[:2] != other[:2]:
        return False
    return anyhow or bool(other[2].startswith(one[2]))


def test_what_differs_stands_in_the_guide() -> None:
    guide = Path("docs/migrating.md").read_text()
    headings = {MORE_WORDS, *(heading for each in KNOWN.values() for heading in each.values())}
    assert [heading for heading in sorted(headings) if f"### {heading}\n" not in guide] == []
