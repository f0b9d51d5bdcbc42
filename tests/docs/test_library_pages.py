"""The Python of docs/library.md and docs/migrating.md runs as it stands there, block by block."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
BLOCKS = [
    pytest.param(block, id=f"{page}-{number}")
    for page in ("library.md", "migrating.md")
    for number, block in enumerate(
        re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text(), re.M | re.S)
    )
]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_runs(block: str, tmp_path: Path) -> None:
    program = tmp_path / "block.py"
    program.write_text(block)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=150,
        env=environ,
    )
    assert done.returncode == 0, done.stderr


def test_every_keyword_of_add_job_is_explained() -> None:
    import inspect

    from runner.schedulers.background import BackgroundScheduler

    page = (DOCS / "library.md").read_text()
    names = set(inspect.signature(BackgroundScheduler.add_job).parameters) - {"self", "func", "trigger_args"}
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


def test_every_name_of_the_table_is_there() -> None:
    from importlib import import_module

    page = (DOCS / "library.md").read_text()
    for module, name in re.findall(r"`((?:schedulers|triggers)\.\w+)\.(\w+)`", page):
        assert hasattr(import_module(f"runner.{module}"), name)
    for module, name in re.findall(r"`testing\.(\w+)\.(\w+)`", page):
        assert hasattr(import_module(f"runner.testing.{module}"), name)
