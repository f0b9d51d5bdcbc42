"""Triggers, executors and stores that another package registers as entry points."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runner.schedulers.background import BackgroundScheduler

MODULE = """
from datetime import timedelta

from runner.executors.debug import DebugExecutor
from runner.jobstores.memory import MemoryJobStore
from runner.triggers.base import BaseTrigger


class Never(BaseTrigger):
    def __init__(self, why, timezone=None):
        self.why = why

    def get_next_fire_time(self, previous_fire_time, now):
        return None

    def __str__(self):
        return f"never[{self.why}]"


class Loud(DebugExecutor):
    def __init__(self, volume=1):
        super().__init__()
        self.volume = volume


class Attic(MemoryJobStore):
    def __init__(self, dusty=False):
        super().__init__()
        self.dusty = dusty
"""
POINTS = """
[runner.triggers]
never = other_package:Never

[runner.executors]
loud = other_package:Loud

[runner.jobstores]
attic = other_package:Attic
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package as pip leaves it."""
    (tmp_path / "other_package.py").write_text(MODULE)
    info = tmp_path / "other_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("package")
def test_other_packages_offer_kinds_of_their_own() -> None:
    scheduler = BackgroundScheduler(
        executors={"loud": {"type": "loud", "volume": "11"}},
        jobstores={"attic": {"type": "attic", "dusty": True}},
        timezone="UTC",
    )
    scheduler.add_executor("loud", "louder", volume=12)
    scheduler.start(paused=True)
    job = scheduler.add_job(print, "never", why="for the test", id="one", jobstore="attic", executor="loud")
    assert str(job.trigger) == "never[for the test]"
    assert [each.id for each in scheduler.get_jobs("attic")] == ["one"]
    executors = scheduler._house.hands.executors
    assert [type(executors[alias]).__name__ for alias in ("loud", "louder")] == ["Loud", "Loud"]
    assert [vars(executors[alias])["volume"] for alias in ("loud", "louder")] == [11, 12]
    scheduler.shutdown()


@pytest.mark.parametrize("kind", ["trigger", "executor", "jobstore"])
def test_a_kind_nobody_offers_is_named(kind: str) -> None:
    scheduler = BackgroundScheduler()
    adds: dict[str, Callable[[], object]] = {
        "trigger": lambda: scheduler.add_job(print, "nobody"),
        "executor": lambda: scheduler.add_executor("nobody", "x"),
        "jobstore": lambda: scheduler.add_jobstore("nobody", "x"),
    }
    with pytest.raises(LookupError, match=f'No {kind} by the name "nobody" was found'):
        adds[kind]()
