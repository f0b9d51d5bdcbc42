"""A clock that is set is written down, once for each source."""

from __future__ import annotations

import pytest

from runner.core.action import Save
from runner.core.event import Added, Settings, Stepped
from runner.core.machine import Machine
from runner.core.run import Incident
from runner.moment import HOUR, SECOND, Span
from runner.spec import Call, JobSpec, Step

NOON = 1_780_000_000 * SECOND


def spec(id: str, source: str) -> JobSpec:
    return JobSpec(id, (Step("main", Call("builtins:print")),), source=source)


@pytest.mark.parametrize(
    ("by", "words"), [(HOUR, "the clock was set forward by 1h"), (-HOUR, "the clock was set back by 1h")]
)
def test_each_source_has_it_on_record(by: Span, words: str) -> None:
    machine = Machine(Settings())
    for id, source in (("one", "a.yaml"), ("two", "a.yaml"), ("three", "b.yaml")):
        machine.handle(NOON, Added(spec(id, source)))
    before = machine.clock_set
    assert before is None
    said = [
        action.record
        for action in machine.handle(NOON + by, Stepped(by))
        if isinstance(action, Save) and isinstance(action.record, Incident)
    ]
    assert [(each.job.source, each.job.id, each.kind) for each in said] == [
        ("a.yaml", "", "clock"),
        ("b.yaml", "", "clock"),
    ]
    assert {(each.since, each.closed_at, each.detail) for each in said} == {(NOON, NOON + by, words)}
    assert machine.clock_set == said[-1]
    assert not machine.incidents
