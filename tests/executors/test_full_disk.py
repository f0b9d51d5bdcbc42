"""A disk that is full at the very start of a command: it does not begin, and that is what is said."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.core.run import Status
from tests.executors.rig import Open, sh


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"no disk can be mounted here: {made.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def fill(place: Path) -> None:
    with open(place / "ballast", "wb", buffering=0) as ballast:
        try:
            while ballast.write(bytes(4096)):
                pass
        except OSError:
            return


def test_it_did_not_begin(disk: Path, tmp_path: Path) -> None:
    local = Open(disk, working_dir=tmp_path)
    try:
        assert local.run(sh("touch begun")).status is Status.SUCCEEDED
        os.unlink(tmp_path / "begun")
        fill(disk)
        outcome = local.run(sh("touch begun"), attempt=2)
        assert (outcome.status, outcome.exit_code) == (Status.INTERRUPTED, None)
        assert outcome.error == "it did not begin: the state directory's disk took nothing (is it full?)"
        assert not (tmp_path / "begun").exists()
        os.unlink(disk / "ballast")
        assert local.run(sh("touch begun"), attempt=3).status is Status.SUCCEEDED
    finally:
        local.close()
