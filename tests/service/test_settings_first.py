"""What the file says of capacities holds for the jobs of the very same edit, and for the next lead."""

from __future__ import annotations

from pathlib import Path

from runner import config
from runner.clock import SystemClock
from runner.core.event import Added, Configured, Settings
from runner.core.machine import Machine
from runner.jobstores.memory import MemoryJobStore
from runner.service.house import House
from runner.service.place import Place
from runner.service.reload import Swap


def test_an_edit_of_a_group_comes_before_the_jobs_that_use_it(tmp_path: Path) -> None:
    file = tmp_path / "jobs.yaml"
    place = Place.of(file, {"RUNNER_STATE_DIR": str(tmp_path / "state")})
    place.make()
    file.write_text("groups: {db: 1}\njobs:\n  a: {run: 'true', concurrency: {group: db}}\n")
    house = House(
        place,
        config.load(file),
        MemoryJobStore(),
        clock=SystemClock(),
        announce=lambda _: None,
        say=lambda _: None,
    )
    assert house.partition.settings.groups == {"db": 1}
    file.write_text("groups: {db: 3}\njobs:\n  a: {run: 'true', concurrency: {group: db}}\n")
    loaded = config.load(file)
    swap = Swap(loaded, first=lambda: house.adopt(loaded, "abc1234"))
    settings, added = swap(Machine(Settings()), 0)
    assert isinstance(settings, Configured)
    assert isinstance(added, Added)
    assert settings.settings is house.partition.settings
    assert settings.settings.groups == {"db": 3}
    assert settings.settings.commit == house.commit == "abc1234"
