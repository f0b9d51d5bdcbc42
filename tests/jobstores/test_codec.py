"""Records as text: the quick way of writing them gives what the plain way gives, and it reads back."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from runner.core.run import Outcome, Status, StepRun
from runner.jobstores.codec import dumps, encode, loads
from runner.spec import Call, JobSpec, Step

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
