"""Records as text: the quick way of writing them gives what the plain way gives, and it reads back."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from runner.core.run import Outcome, Status, StepRun
from runner.jobstores.codec import dumps, encode, loads
from runner.spec import Call, Concurrency, JobSpec, Policy, Step
from runner.triggers.cron import CronTrigger
from runner.triggers.interval import IntervalTrigger

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
VALUES = JSON | st.tuples(JSON, JSON) | st.sets(st.integers(), max_size=3)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
MOMENTS = st.none() | st.integers()
OUTCOMES = st.builds(
    Outcome,
    st.sampled_from(Status),
    st.none() | st.integers(),
    TEXT,
    TEXT,
    st.dictionaries(TEXT, VALUES, max_size=3),
    MOMENTS,
    MOMENTS,
)
STEPS = st.builds(
    StepRun,
    TEXT,
    TEXT,
    st.sampled_from(Status),
    st.integers(0, 9),
    MOMENTS,
    MOMENTS,
    MOMENTS,
    st.none() | OUTCOMES,
    TEXT,
    JSON,
)
SPECS = st.builds(
    lambda id, tags, kwargs: JobSpec(id, (Step("a", Call("m:f", kwargs=kwargs)),), tags=tuple(tags)),
    TEXT,
    st.lists(TEXT, max_size=3),
    st.dictionaries(TEXT, VALUES, max_size=3),
)


@given(st.lists(STEPS, max_size=3) | STEPS | SPECS | VALUES)
def test_the_text_is_the_encoded_value(value: object) -> None:
    assert json.loads(dumps(value)) == encode(value)


@given(st.lists(STEPS, max_size=3))
def test_the_steps_of_a_run_read_back_equal(steps: list[StepRun]) -> None:
    assert loads(dumps(steps)) == [*steps]


ZONES = st.sampled_from(["UTC", "Europe/Berlin"])
TRIGGERS = st.builds(
    lambda hours, zone: IntervalTrigger(hours=hours, timezone=zone), st.sampled_from([1, 2]), ZONES
) | st.builds(lambda hour, zone: CronTrigger(hour=hour, timezone=zone), st.sampled_from([1, 2]), ZONES)
ALIKE = st.sampled_from([0, 0.0, False, 1, 1.0, True, "1", "0"])


@given(st.lists(TRIGGERS, min_size=1, max_size=2), st.lists(ALIKE, min_size=1, max_size=3), st.data())
def test_what_specs_share_is_written_as_it_is_in_each(
    triggers: list[IntervalTrigger | CronTrigger], values: list[object], data: st.DataObject
) -> None:
    """Equal values that are written differently, the very same ones, one after another in any order."""
    steps = [Step("a", Call("m:f", (value,))) for value in values]
    policies = [Policy(), Policy(grace=1), Policy(Concurrency("allow", 2))]
    specs = st.builds(
        JobSpec,
        TEXT | st.sampled_from(["a", "b"]),
        st.lists(st.sampled_from(steps), min_size=1, max_size=2).map(tuple),
        st.none() | st.sampled_from(triggers),
        st.sampled_from(policies),
        name=st.sampled_from(["", "name"]),
        enabled=st.booleans(),
        vars=st.dictionaries(st.sampled_from(["x"]), ALIKE, max_size=1),
    )
    for spec in data.draw(st.lists(specs, max_size=6)):
        assert repr(json.loads(dumps(spec))) == repr(encode(spec))
