"""Codes and attributes of events, beside those of the library whose language they speak."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from runner import events

theirs = pytest.importorskip("apscheduler.events", reason="APScheduler is not installed to compare with")


@pytest.mark.parametrize("name", [name for name in dir(theirs) if name.startswith("EVENT_")])
def test_every_code_has_the_value_programs_know(name: str) -> None:
    assert getattr(events, name) == getattr(theirs, name)


def test_every_class_takes_and_keeps_what_programs_know() -> None:
    when = datetime(2030, 1, 1, tzinfo=UTC)
    error = ValueError("x")
    cases = [
        ("SchedulerEvent", (1, "default"), "<SchedulerEvent (code=1)>"),
        ("JobEvent", (512, "job", "default"), "<JobEvent (code=512)>"),
        ("JobSubmissionEvent", (32768, "job", "default", [when]), "<JobSubmissionEvent (code=32768)>"),
        (
            "JobExecutionEvent",
            (4096, "job", "default", when, 5, error, "Traceback"),
            "<JobExecutionEvent (code=4096)>",
        ),
    ]
    for name, args, shown in cases:
        mine, known = getattr(events, name)(*args), getattr(theirs, name)(*args)
        assert vars(mine) == vars(known)
        assert repr(mine) == shown
