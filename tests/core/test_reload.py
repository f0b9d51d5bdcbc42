"""What a file's jobs are, against the known ones: each order and each edit gives what looking everywhere gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from runner.core.event import Added, Changed, Event, Removed
from runner.core.reload import changes
from runner.core.run import Job
from runner.spec import Call, JobSpec, Step

STEP = Step("a", Call("m:f"))
ALL = [JobSpec(str(number), (STEP,)) for number in range(12)]
SOME = st.lists(st.sampled_from(ALL), unique_by=lambda spec: spec.id)


def plainly(known: Sequence[JobSpec], wanted: Sequence[JobSpec]) -> list[Event]:
    """The rule as it is said: what is gone in the order known, then what is new or another in the order wanted."""
    ids = {spec.id for spec in wanted}
    events: list[Event] = [Removed(spec.key) for spec in known if spec.id not in ids]
    by_id = {spec.id: spec for spec in known}
    for spec in wanted:
        if spec.id not in by_id:
            events.append(Added(spec))
        elif by_id[spec.id] != spec:
            events.append(Changed(spec))
    return events


def found(known: Sequence[JobSpec], wanted: Sequence[JobSpec]) -> list[Event]:
    return changes({spec.key: Job(spec) for spec in known}, wanted)


@given(SOME, SOME, st.sets(st.integers(0, 11)), st.sets(st.integers(0, 11)))
def test_any_order_and_any_edit(
    known: list[JobSpec], wanted: list[JobSpec], edited: set[int], read_anew: set[int]
) -> None:
    now = [
        replace(spec, description="edited")
        if int(spec.id) in edited
        else replace(spec)
        if int(spec.id) in read_anew
        else spec
        for spec in wanted
    ]
    events = found(known, now)
    assert {event.key for event in events if isinstance(event, Removed)} == {
        event.key for event in plainly(known, now) if isinstance(event, Removed)
    }
    kept = [event for event in events if not isinstance(event, Removed)]
    assert kept == [event for event in plainly(known, now) if not isinstance(event, Removed)]


@given(st.sets(st.integers(0, 11)), st.sets(st.integers(0, 11)), st.sets(st.integers(0, 11)))
def test_a_file_that_keeps_its_order(before: set[int], after: set[int], edited: set[int]) -> None:
    known = [ALL[number] for number in sorted(before)]
    now = [
        replace(ALL[number], description="edited") if number in edited else ALL[number]
        for number in sorted(after)
    ]
    assert found(known, now) == plainly(known, now)


def test_a_job_that_is_wanted_twice_is_no_news() -> None:
    assert found(ALL, [*ALL[:6], ALL[2], *ALL[6:]]) == []
