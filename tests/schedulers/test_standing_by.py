"""A scheduler that stands by: what its own clock thread asks for is the leader's to do."""

from __future__ import annotations

import threading
from pathlib import Path

from runner.moment import Moment
from runner.schedulers.background import BackgroundScheduler
from tests.waiting import PATIENCE, wait_until


def test_a_job_that_a_listener_adds_reaches_the_leader(tmp_path: Path) -> None:
    """Listeners are called on the clock thread: it must not wait there for the answer, nor drop the wish."""
    store = {"type": "sqlalchemy", "url": f"sqlite:///{tmp_path / 'jobs.db'}"}
    leader, other = (BackgroundScheduler(jobstores={"default": dict(store)}) for _ in range(2))
    leader.start()
    other.start()
    try:
        assert not other._house.leads("default")
        done = threading.Event()

        def listener(now: Moment) -> None:
            other.add_job("math:sqrt", "interval", hours=1, args=[4], id="heard")
            done.set()

        other._house.engines.of("default").call(listener)
        assert done.wait(PATIENCE)
        wait_until(lambda: leader.get_job("heard") is not None)
    finally:
        other.shutdown()
        leader.shutdown()
