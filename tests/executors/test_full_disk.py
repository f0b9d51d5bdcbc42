"""A disk that is full at the very start of a command: it does not begin, and that is what is said."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.core.run import Status
from tests.executors.rig import Open, sh
from tests.small_disk import small_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 1) as place:
        yield place


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
