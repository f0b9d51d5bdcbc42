"""The README's files load, its tests pass, its program runs, its links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FILES = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
PAGES = [README, *(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))]


def runner(directory: Path, *args: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "RUNNER_STATE_DIR": str(directory / "state")}
    return subprocess.run(
        [sys.executable, "-m", "runner", *args],
        cwd=directory,
        env=environ,
        capture_output=True,
        text=True,
        timeout=150,
    )


@pytest.mark.parametrize("text", FILES, ids=range(len(FILES)))
def test_each_file_is_good(text: str, tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text(text, encoding="utf-8")
    done = runner(tmp_path, "validate")
    assert done.returncode == 0, done.stdout + done.stderr
    if "tests:" in text:
        played = runner(tmp_path, "test")
        assert played.returncode == 0, played.stdout + played.stderr
        why = runner(tmp_path, "why", "report", "--at", "2027-03-28T02:30")
        assert "03:00" in why.stdout, why.stdout + why.stderr


def test_the_first_file_runs(tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text(FILES[0], encoding="utf-8")
    done = runner(tmp_path, "run", "hello")
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr


def test_the_program_runs() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    short = program.replace("seconds=5", "seconds=0.2")
    assert short != program
    waits = """
import threading
heard = threading.Event()
def print(text):
    assert text == "hello"
    heard.set()
"""
    done = subprocess.run(
        [sys.executable, "-c", waits + short + "assert heard.wait(60)\nscheduler.shutdown()\n"],
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr


def test_every_page_that_is_named_is_there() -> None:
    named = {name for page in PAGES for name in re.findall(r"\]\((?:docs/)?([a-z-]+\.md)", page)}
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "runner").rglob("*.py"))
    named |= set(re.findall(r"docs/([a-z-]+\.md)", code))
    there = {page.name for page in (ROOT / "docs").glob("*.md")}
    assert named <= there
