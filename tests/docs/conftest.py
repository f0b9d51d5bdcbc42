from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def store_of() -> Callable[[Path], Path]:
    """Runs one job in this directory as a user would; the file of its store."""

    def make(directory: Path) -> Path:
        (directory / "jobs.yaml").write_text("jobs:\n  hello:\n    run: echo hello\n", encoding="utf-8")
        environ = {**os.environ, "RUNNER_STATE_DIR": str(directory / "state")}
        subprocess.run(
            [sys.executable, "-m", "runner", "run", "hello"],
            cwd=directory,
            env=environ,
            check=True,
            timeout=150,
        )
        return directory / "state" / "runner.db"

    return make
