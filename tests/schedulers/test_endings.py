"""Schedulers that end from within, by a signal, in the child of a fork, or with listeners that are still to be told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("ending_program.py")


BOTH = ["listener", "fork", "run", "signal", "thread", "debug"]


@pytest.mark.parametrize(
    ("patched", "case"),
    [(patched, case) for patched in ("patched", "plain") for case in BOTH]
    + [("plain", "asyncio"), ("plain", "twisted")],
)
def test_it_ends_well(patched: str, case: str) -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), patched, case],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (done.stdout, done.stderr, done.returncode) == ("well\n", "", 0)
