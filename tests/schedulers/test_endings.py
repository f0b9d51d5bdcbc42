"""Schedulers that end from within, by a signal, in the child of a fork, or with listeners that are still to be told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("ending_program.py")


@pytest.mark.parametrize("patched", ["patched", "plain"])
@pytest.mark.parametrize("case", ["listener", "fork", "run", "signal"])
def test_it_ends_well(patched: str, case: str) -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), patched, case],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (done.stdout, done.stderr, done.returncode) == ("well\n", "", 0)
