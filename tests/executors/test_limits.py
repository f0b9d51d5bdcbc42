"""Limits on processors and processes, kept by the kernel for real commands."""

from __future__ import annotations

import pytest

from runner.executors.limits import Groups
from runner.spec import Limits
from tests.executors.rig import Open, sh

HERE = Groups.here()
needs_groups = pytest.mark.skipif(
    HERE._base is None,
    reason="no control group (cgroup v2) may be made here: systemd-run -p Delegate=yes gives one",
)

FORKS = "i=0; while [ $i -lt 60 ]; do sleep 5 & i=$((i + 1)); done; wait"
STAT = "/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/cpu.stat"
BURN = f"i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done; grep -h nr_throttled {STAT}"


@needs_groups
def test_more_processes_than_allowed_are_refused(local: Open) -> None:
    local.executor._commands.groups = HERE
    outcome = local.run(sh(FORKS, limits=Limits(pids=20)))
    assert not outcome.status.good
    assert "fork" in outcome.tail.lower()


@needs_groups
def test_a_share_of_a_processor_is_no_more(local: Open) -> None:
    local.executor._commands.groups = HERE
    outcome = local.run(sh(BURN, limits=Limits(cpus=0.1)))
    assert outcome.status.good, outcome
    assert int(outcome.tail.split()[-1]) > 0


def test_where_there_is_no_group_it_is_said_once(local: Open, caplog: pytest.LogCaptureFixture) -> None:
    local.executor._commands.groups = Groups(None)
    for _ in range(2):
        assert local.run(sh("sleep 0 & wait; echo $?", limits=Limits(pids=1, cpus=0.1))).tail == "0"
    assert [record.getMessage() for record in caplog.records] == [
        "limits: no control group (cgroup v2) may be made here; cpus and pids are not enforced, memory bounds each "
        "process by itself (systemd: Delegate=yes)"
    ]
