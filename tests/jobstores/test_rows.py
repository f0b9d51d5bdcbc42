"""The texts in a run's row."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runner.core.run import Job, Outcome, Run, RunKey, Status, StepRun
from runner.jobstores.codec import dumps, loads
from runner.jobstores.sqlalchemy import tables
from runner.jobstores.sqlalchemy.rows import job_move, job_row, run_move, run_row, step_text
from runner.jobstores.sqlalchemy.statements import JOB_MOVE, RUN_MOVE
from runner.spec import JobSpec

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


SPEC = JobSpec("job", (), None, source="api:main")
JOBS = st.builds(
    Job,
    st.just(SPEC),
    MOMENTS,
    st.sampled_from(["scheduled", "paused"]),
    WORDS,
    MOMENTS,
    MOMENTS,
    st.none() | st.sampled_from(Status),
    MOMENTS,
    st.integers(0, 3),
    st.integers(0, 3),
    MOMENTS,
)
RUNS = st.builds(
    Run,
    st.builds(RunKey, st.just(SPEC.key), st.integers(0, 2**53), st.sampled_from(["", "1"])),
    st.just(SPEC),
    st.sampled_from(Status),
    WORDS,
    created_at=st.integers(0, 2**53),
    started_at=MOMENTS,
    ended_at=MOMENTS,
    due=MOMENTS,
    last_success=MOMENTS,
)
FIXED = {"digest", "origin", "made_by", "params", "created_at", "last_success", "config_commit"}
"""What of a run is the same from its first record to its last."""


@given(JOBS)
def test_what_moves_of_a_job_is_what_its_whole_row_says(job: Job) -> None:
    whole = dict(zip(tables.jobs.columns.keys(), job_row(job, "digest"), strict=True))
    assert dict(zip(JOB_MOVE, job_move(job, "digest"), strict=True)) == whole


@given(RUNS)
def test_what_moves_of_a_run_is_what_its_whole_row_says(run: Run) -> None:
    whole = dict(zip(tables.runs.columns.keys(), run_row(run, "digest", "[]"), strict=True))
    moved = dict(zip(RUN_MOVE, run_move(run, "[]"), strict=True))
    assert moved == {name: value for name, value in whole.items() if name not in FIXED}
