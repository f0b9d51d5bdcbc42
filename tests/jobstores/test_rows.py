"""The texts in a run's row."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runner.core.run import Outcome, Status, StepRun
from runner.jobstores.codec import dumps, loads
from runner.jobstores.sqlalchemy.rows import step_text

MOMENTS = st.none() | st.integers(0, 2**53)
WORDS = st.sampled_from(["", "main", "a-b_c.9", "naïve", 'quo"te', "two\nlines", "back\\slash", "main\n"])
OUTCOMES = st.builds(
    Outcome,
    st.sampled_from(Status),
    st.none() | st.integers(-1, 255),
    WORDS,
    WORDS,
    st.sampled_from([{}, {"name": "value"}]),
    MOMENTS,
    MOMENTS,
    traceback=WORDS,
)
STATES = st.builds(
    StepRun,
    WORDS,
    WORDS,
    st.sampled_from(Status),
    st.integers(0, 3),
    MOMENTS,
    MOMENTS,
    MOMENTS,
    st.none() | OUTCOMES,
    WORDS,
    st.sampled_from([None, 0, "", "eu", [1]]),
    WORDS,
)
PLAIN = st.builds(
    StepRun,
    st.sampled_from(["main", "naïve", "main\n"]),
    status=st.sampled_from(Status),
    attempt=st.integers(0, 3),
    started_at=MOMENTS,
    ended_at=MOMENTS,
    outcome=st.none()
    | st.builds(
        Outcome,
        st.sampled_from(Status),
        st.none() | st.integers(0, 255),
        started_at=MOMENTS,
        ended_at=MOMENTS,
    ),
    host=st.sampled_from(["", "web-1.example", 'quo"te']),
)


@given(PLAIN | STATES)
def test_the_text_of_a_step_is_the_codecs(state: Any) -> None:
    text = step_text(state)
    assert text == dumps(state)
    assert loads(text) == state
