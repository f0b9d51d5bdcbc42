"""What psutil says of this machine's processes is what /proc says, where there is one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.executors import portable, tree

ASLEEP = "print(flush=True); import time; time.sleep(60)"


@pytest.mark.skipif(not tree._PROC, reason="this system has no /proc to compare with")
def test_the_table_is_that_of_proc() -> None:
    child = subprocess.Popen([sys.executable, "-c", ASLEEP], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        ours, theirs = portable.table(), tree._linux_table()
    finally:
        child.kill()
        child.wait()
    assert ours[child.pid] == theirs[child.pid] == (os.getpid(), child.pid, False)
    assert ours[os.getpid()] == theirs[os.getpid()]


def test_a_variable_is_that_of_the_process() -> None:
    environ = {**os.environ, tree.MARK: "abc"}
    child = subprocess.Popen([sys.executable, "-c", ASLEEP], stdout=subprocess.PIPE, env=environ)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        assert portable.variable(child.pid, tree.MARK) == tree._variable(child.pid, tree.MARK) == "abc"
        assert portable.variable(child.pid, "NOT_THERE") == ""
    finally:
        child.kill()
        child.wait()
    assert portable.variable(child.pid, tree.MARK) == ""


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="this system has no /proc to compare with")
def test_the_start_of_the_machine_is_that_of_proc() -> None:
    (line,) = (line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    assert portable.booted_at() == int(line.split()[1])
