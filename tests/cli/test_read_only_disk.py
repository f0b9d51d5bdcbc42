"""A disk that went read-only, as after an error: what is on record can still be read, and the rest is said plainly."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.verb_place import Place
from tests.waiting import wait_until

JOBS = "jobs:\n  talk: {run: echo hello}\n"


@pytest.fixture
def disk(place: Place) -> Iterator[Path]:
    """A small disk under the state directory, which a run has been written to."""
    state = place.directory / "state"
    state.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", state], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no disk can be mounted here: {made.stderr.strip()}")
    try:
        place.write(JOBS)
        place.call("run", "talk")
        # Whoever kept the run may still be closing its files.
        wait_until(lambda: not subprocess.call(["mount", "-o", "remount,ro", state]), "nobody writes there")
        yield state
    finally:
        subprocess.run(["umount", "-l", state], check=True)


def test_what_is_on_record_is_shown(place: Place, disk: Path) -> None:
    assert place.call("logs", "talk").stdout == "hello\n"
    assert len(place.call("history", "--json").json["runs"]) == 1
    assert place.call("list", "--json").json["jobs"][0]["last"]["status"] == "succeeded"
    assert "succeeded" in place.call("why", "talk").stdout


def test_what_would_write_says_why_it_cannot(place: Place, disk: Path) -> None:
    said = place.call("run", "talk", code=None)
    assert said.code == 1
    assert f"the state directory {disk} cannot be written: Read-only file system" in said.stderr
