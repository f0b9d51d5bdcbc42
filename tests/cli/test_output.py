"""What goes where: the keys of every `--json` document, stdout for results, colours only where somebody sees them."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.verb_place import Place
from tests.waiting import PATIENCE

JOBS = """\
channels: {ops: "log:"}
defaults: {timezone: UTC, timeout: 1m, notify: {on_failure: ops}}
jobs:
  good: {schedule: every 1h, run: echo fine}
  bad: {run: "echo oh >&2; exit 7"}
tests:
  - {job: good, expect: {status: succeeded}}
"""
RUN = {
    "id",
    "job",
    "status",
    "reason",
    "scheduled_at",
    "started_at",
    "ended_at",
    "took",
    "late",
    "attempt",
    "trigger",
    "steps",
}
KEYS: list[tuple[list[str], set[str], str, set[str]]] = [
    (["list"], {"jobs"}, "jobs", {"id", "source", "state", "schedule", "next_at", "last", "paused_until"}),
    (["next"], {"occurrences"}, "occurrences", {"job", "at", "note"}),
    (["history"], {"runs"}, "runs", RUN),
    (["history", "--all"], {"runs"}, "runs", RUN),
    (["validate"], {"errors", "warnings"}, "warnings", {"kind", "message", "file", "line", "column", "help"}),
    (["simulate", "--days", "1"], {"occurrences", "runs", "alerts", "warnings"}, "runs", RUN),
    (["simulate", "bad", "--days", "1"], {"occurrences", "runs", "alerts", "warnings"}, "alerts", set()),
    (["test"], {"tests", "failed"}, "tests", {"job", "name", "place", "status", "differences", "error"}),
    (["plan", "--against", "other.yaml"], {"edits", "beside", "unchanged"}, "edits",
     {"job", "what", "keys", "gone", "come", "moved", "alerts", "live"}),
    (["explain", "good"], {"job", "keys"}, "keys", {"path", "value", "file", "line", "column", "origin"}),
    (["logs", "good"], {"run", "lines"}, "lines", {"step", "attempt", "at", "stream", "text"}),
    (["fmt", "--check"], {"files", "changed"}, "", set()),
    (["version"], {"runner"}, "", set()),
    (["completion", "bash"], {"shell", "script"}, "", set()),
    (["schema", "jobs"], {"path", "text"}, "", set()),
]  # fmt: skip


@pytest.fixture
def ran(place: Place) -> Place:
    """A place where each job ran once."""
    place.write(JOBS)
    place.write("jobs: {other: {run: 'true'}}\n", "other.yaml")
    place.call("run", "good", "-q")
    place.call("run", "bad", "-q", code=1)
    return place


def test_every_json_document_has_its_keys(ran: Place) -> None:
    for args, keys, below, inner in KEYS:
        document = ran.call(*args, "--json", code=None).json
        assert keys <= set(document), args
        for each in document[below] if below else []:
            assert inner <= set(each), args
        if below not in ("", "alerts", "warnings"):
            assert document[below], args


def test_times_are_iso_with_an_offset_and_lengths_are_seconds(ran: Place) -> None:
    for run in ran.call("history", "--json").json["runs"]:
        assert run["started_at"].endswith("+00:00")
        assert isinstance(run["took"], float)
        assert isinstance(run["late"], float)
    assert ran.call("list", "--json").json["jobs"][0]["next_at"].endswith("+00:00")


def test_a_failed_run_is_json_on_stdout_and_words_on_stderr(ran: Place) -> None:
    said = ran.call("run", "bad", "--json", code=1)
    assert said.json["run"]["status"] == "failed"
    assert "oh" in said.stderr


def test_progress_is_not_in_the_result(ran: Place) -> None:
    assert ran.call("run", "good").stdout == "fine\n"


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
    ids=["terminal", "NO_COLOR", "dumb"],
)
def test_colours_are_for_terminals_that_want_them(
    environ: dict[str, str], coloured: bool, ran: Place
) -> None:
    shown = on_terminal(["list"], ran, environ)
    assert "good" in shown
    assert ("\x1b[" in shown) is coloured


def test_nothing_is_wider_than_the_terminal(ran: Place) -> None:
    for args in (
        ["list"],
        ["next"],
        ["history"],
        ["history", "--all"],
        ["calendar"],
        ["simulate", "--days", "2"],
    ):
        shown = on_terminal(args, ran, {"NO_COLOR": "1"})
        assert [line for line in shown.splitlines() if len(line) > 80] == [], args


def on_terminal(args: list[str], place: Place, environ: dict[str, str]) -> str:
    """What a terminal of 80 columns is shown."""
    keeper, ours = pty.openpty()
    base = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
    import fcntl
    import struct
    import termios

    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", *args],
        cwd=place.directory,
        stdin=ours,
        stdout=ours,
        stderr=ours,
        env={**base, "TERM": "xterm", "PYTHONPATH": os.pathsep.join(sys.path),
             "RUNNER_STATE_DIR": str(place.directory / "state"), **environ},
    )  # fmt: skip
    os.close(ours)
    shown = b""
    while True:
        ready, _, _ = select.select([keeper], [], [], PATIENCE)
        assert ready, "the terminal stayed silent"
        try:
            data = os.read(keeper, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    os.close(keeper)
    assert process.wait(timeout=PATIENCE) == 0, shown
    return shown.decode().replace("\r\n", "\n")


def test_the_version_is_one_json_document(tmp_path: Path, place: Place) -> None:
    document: dict[str, Any] = json.loads(place.call("version", "--json").stdout)
    assert document["version"] == 1
