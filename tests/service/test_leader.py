"""The note of who leads: for people, and only as long as it is true."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from runner.moment import parse_iso
from runner.service.leader import Leader

NOW = parse_iso("2026-11-26T12:00Z")


def test_a_note_outlives_its_process_and_says_so(tmp_path: Path) -> None:
    mine = Leader.me(NOW, tmp_path / "jobs.yaml", "")
    mine.write(tmp_path)
    assert Leader.read(tmp_path) == mine
    assert not mine.gone()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert replace(mine, pid=ended.pid).gone()
    # Nothing is known here of a process of another host.
    assert not replace(mine, pid=ended.pid, host="elsewhere").gone()
    Leader.erase(tmp_path)
    assert Leader.read(tmp_path) is None
