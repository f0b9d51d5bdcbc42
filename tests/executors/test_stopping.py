from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from pathlib import Path

import pytest

from runner.core.run import Status
from runner.executors.child import Child
from runner.moment import MILLISECOND, SECOND
from tests.executors.rig import Open, marks, sh, task
from tests.waiting import wait_until

MARK = f"61.{os.getpid()}s"
"""Tests of several workers look at the same processes; the unit ends the number, which may begin another one."""
SOON = 30 * SECOND
"""Whom nobody stops sleeps for a minute."""
SLEEPER = f"exec sleep {MARK}"


def sleepers(mark: str) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/cmdline", "rb") as file:
                if mark.encode() in file.read() and not killed(name):
                    found.append(int(name))
    return found


def killed(pid: str) -> bool:
    """Whether a SIGKILL is pending: it does nothing any more, and is gone when a processor comes to it."""
    status = Path(f"/proc/{pid}/status").read_text()
    pending = re.findall(r"^(?:SigPnd|ShdPnd):\s+(\w+)$", status, re.MULTILINE)
    return any(int(mask, 16) >> (signal.SIGKILL - 1) & 1 for mask in pending)


def wait_for(path: Path) -> None:
    wait_until(path.exists, str(path))


ESCAPES = {
    "plain": "touch ready; sleep MARK; true",
    "ignores TERM": "trap '' TERM; touch ready; sleep MARK; sleep MARK",
    "background": "sleep MARK & touch ready; wait",
    "double fork": "(sleep MARK &) ; touch ready; sleep MARK",
    "own session": "setsid sleep MARK & touch ready; wait",
    "daemon": "(setsid sh -c 'trap \"\" TERM; touch ready; sleep MARK; true' >/dev/null 2>&1 &); sleep MARK",
    "clean daemon": "(env -i setsid sh -c '(sleep MARK; true) & touch ready' &); sleep MARK",
    "python daemon": """python3 -c 'import os,time
if os.fork()==0:
    os.setsid()
    if os.fork()==0:
        open("ready","w"); os.closerange(0,99); os.execve("/bin/sleep",["sleep","MARK"],{})
    os._exit(0)
time.sleep(99)' """,
    "nohup": "nohup sleep MARK >/dev/null 2>&1 & touch ready; wait",
}


@pytest.mark.parametrize("style", ESCAPES)
def test_nobody_survives_a_timeout(local: Open, style: str) -> None:
    script = ESCAPES[style].replace("MARK", MARK)
    one = task(sh(script, grace=300 * MILLISECOND))
    local.executor.start(one)
    wait_for(local.state_dir / "ready")
    local.executor.cancel(one.attempt, "timeout")
    outcome = local.next()
    assert (outcome.status, outcome.error) == (Status.TIMED_OUT, "stopped after its timeout")
    assert outcome.took < SOON
    assert sleepers(MARK) == []


def test_a_command_may_end_well_within_its_grace(local: Open) -> None:
    one = task(sh("trap 'echo bye; exit 0' TERM; touch ready; while :; do sleep 0.05; done"))
    local.executor.start(one)
    wait_for(local.state_dir / "ready")
    local.executor.cancel(one.attempt, "asked")
    outcome = local.next()
    assert (outcome.status, outcome.exit_code) == (Status.CANCELLED, 0)
    assert outcome.tail.endswith("bye")
    assert outcome.error == "stopped: asked"


def test_a_stop_signal_of_its_own(local: Open) -> None:
    script = "trap 'echo int; exit 5' INT; touch ready; while :; do sleep 0.05; done"
    one = task(sh(script, stop_signal="SIGINT"))
    local.executor.start(one)
    wait_for(local.state_dir / "ready")
    local.executor.cancel(one.attempt, "asked")
    outcome = local.next()
    assert outcome.exit_code == 5
    assert outcome.tail.endswith("int")


def test_cancelled_at_once(local: Open) -> None:
    one = task(sh(SLEEPER))
    local.executor.start(one)
    local.executor.cancel(one.attempt, "asked")
    assert local.next().status is Status.CANCELLED
    assert sleepers(MARK) == []


def test_a_grandchild_keeps_the_pipe(local: Open) -> None:
    begun = time.monotonic()
    one = task(sh(f"setsid sh -c 'sleep {MARK}; echo late' & echo done"))
    local.executor.start(one)
    outcome = local.next()
    assert time.monotonic() - begun < SOON / SECOND
    assert (outcome.status, outcome.tail) == (Status.SUCCEEDED, "done")
    for pid in sleepers(MARK):
        os.kill(pid, signal.SIGKILL)


def test_a_killed_shim(local: Open) -> None:
    one = task(sh(f"touch ready; sleep {MARK}; true"))
    local.executor.start(one)
    wait_for(local.state_dir / "ready")
    pid = marks(local.state_dir, one).pid()
    assert pid
    os.kill(pid, signal.SIGKILL)
    outcome = local.next()
    assert (outcome.status, outcome.exit_code) == (Status.INTERRUPTED, None)
    assert outcome.error == "nobody saw its end: its shim was killed"
    assert sleepers(MARK) == []


def test_close_stops_everything(local: Open) -> None:
    for number in range(5):
        local.executor.start(task(sh(SLEEPER), job=f"job{number}"))
    local.close()
    assert {local.next().status for _ in range(5)} == {Status.CANCELLED}
    assert sleepers(MARK) == []


def test_a_stop_that_comes_just_as_a_shim_refuses_is_kept(
    local: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was at work no more and not yet waiting to begin again: whoever asked then was heard by nobody."""
    processes = local.executor._processes
    assert processes is not None
    long_past = iter(["1"])
    monkeypatch.setattr(processes, "_deadline", lambda launch: next(long_past, ""))
    again = processes._watch._again

    def meanwhile(child: Child) -> None:
        local.executor.cancel(child.key, "timeout")
        again(child)

    monkeypatch.setattr(processes._watch, "_again", meanwhile)
    assert local.run(sh(SLEEPER)).status is Status.TIMED_OUT
    assert sleepers(MARK) == []


def test_an_attempt_of_the_same_name_elsewhere_goes_on(tmp_path: Path) -> None:
    """Two copies of one program on a machine, each with a state directory of its own."""
    one = task(sh(f"touch ready; while ! test -e go; do sleep 0.01; done; exit 7 # {MARK}"))
    places = [tmp_path / "a", tmp_path / "b"]
    for place in places:
        place.mkdir()
    stopped, other = opened = [Open(place) for place in places]
    try:
        for each in opened:
            each.executor.start(one)
            wait_for(each.state_dir / "ready")
        stopped.executor.cancel(one.attempt, "timeout")
        assert stopped.next().status is Status.TIMED_OUT
        assert other.told.empty()
        (tmp_path / "b" / "go").touch()
        assert other.next().exit_code == 7
    finally:
        for each in opened:
            each.close()
