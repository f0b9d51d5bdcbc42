"""Every program of examples/python is run as a user would run it, and ended as a user would end it."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.frameworks import needs_qt
from tests.waiting import PATIENCE

EXAMPLES = Path(__file__).parents[2] / "examples" / "python"
SAID = {
    "blocking.py": ["tick", "tick"],
    "background.py": [
        "report sales",
        "fragile failed after 2 attempts: ConnectionError: the other side is away",
    ],
    "asyncio_.py": ["fetched news", "fetched news"],
    "tornado_.py": ["cleaned", "cleaned"],
    "twisted_.py": ["polled", "polled"],
    "gevent_.py": ["hello from a greenlet", "hello from a greenlet"],
    "qt_.py": ["measured 42", "measured 42"],
}


def environ() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "QT_QPA_PLATFORM": "offscreen"}


def test_every_example_is_here() -> None:
    assert {each.name for each in EXAMPLES.glob("*.py")} == {*SAID, "one_shot.py"}


@pytest.mark.parametrize("name", SAID)
def test_an_example_runs_until_it_is_interrupted(name: str, tmp_path: Path) -> None:
    if name == "qt_.py":
        needs_qt()
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLES / name)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ(),
    )
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    assert process.stdout is not None
    out = process.stdout

    def read() -> None:
        for line in out:
            lines.put(line.strip())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        wanted = Counter(SAID[name])
        while wanted.total():
            line = lines.get(timeout=PATIENCE)
            wanted -= Counter([line] if line in wanted else [])
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.wait(PATIENCE)
        reader.join(PATIENCE)
        out.close()
        if process.stderr is not None:
            process.stderr.close()


def test_the_one_shot_runs_at_its_time(tmp_path: Path) -> None:
    """Its date is brought near, and met however slow the machine is; the rest is as it stands."""
    text = (EXAMPLES / "one_shot.py").read_text()
    far = "datetime.datetime(2030, 2, 25, 19, 5, 6)"
    assert far in text
    soon = "datetime.datetime.now() + datetime.timedelta(seconds=0.5)"
    program = tmp_path / "one_shot.py"
    program.write_text(text.replace(far, f"{soon}, misfire_grace_time=None"))
    process = subprocess.Popen(
        [sys.executable, "-u", str(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environ(),
    )
    try:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        assert (words[0], words[-1]) == ("job2", "text")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) != 0
    finally:
        process.kill()
        process.wait(PATIENCE)
        if process.stdout is not None:
            process.stdout.close()
