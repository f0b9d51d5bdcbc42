"""A run that is on record as over does not run again, whoever asks for a job that would."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.core.event import Added
from runner.core.run import Outcome, Status
from runner.frozen import replace
from runner.jobstores.memory import MemoryJobStore
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from runner.moment import SECOND, to_datetime
from runner.triggers.date import DateTrigger
from tests.engine.engine_rig import NOON, SOURCE, Rig, job

ONCE = replace(job("once"), trigger=DateTrigger(to_datetime(NOON)), remove_when_done=True)


@pytest.mark.parametrize("durable", [False, True])
def test_a_job_whose_only_run_is_over_is_refused_it_each_time_and_leaves_nothing_behind(
    durable: bool, tmp_path: Path
) -> None:
    store = SQLAlchemyJobStore(f"sqlite:///{tmp_path / 'runner.db'}") if durable else MemoryJobStore()
    rig = Rig(store)
    for _ in range(3):
        rig.post(Added(ONCE, NOON))
        (attempt,) = rig.executor.started
        if attempt in rig.executor.live:
            rig.executor.end(attempt, Outcome(Status.SUCCEEDED))
        rig.later(SECOND)  # Nothing of it is known any more in the turn after that.
        rig.later(SECOND)
        assert rig.machine.jobs == {}
        assert list(store.load(SOURCE).jobs) == []
    assert rig.names().count("job.removed") == 3
    store.close()
