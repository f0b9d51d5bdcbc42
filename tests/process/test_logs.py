"""`runner logs`: what is kept, and what comes, over a restart of the service."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

from tests.process.conftest import Desk
from tests.waiting import PATIENCE

STEPS = """\
jobs:
  count:
    steps:
      - id: one
        run: |
          echo begin; printf 'red \\033[31m bell \\007\\n' >&2
          for n in 1 2 3; do while ! test -e go$n; do sleep 0.02; done; echo line $n; done
      - id: two
        needs: [one]
        run: echo last >&2; exit 3
"""


def follow(desk: Desk, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "runner", "logs", "-f", *args],
        cwd=desk.directory,
        env={**desk.environ, "TZ": "UTC"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_step_that_is_not_there_is_named(desk: Desk) -> None:
    desk.write(STEPS.replace("while ! test -e go$n; do sleep 0.02; done; ", ""))
    day = None
    while day != date.today():  # it may end in between
        day = date.today()
        desk.runner("run", "count", check=False)
        shown = desk.runner("logs", "count", "--step", "one", "--since", "today").stdout
    assert shown.count("line") == 3
    said = desk.runner("logs", "count", "--step", "three", check=False)
    assert (said.returncode, said.stdout) == (5, "")
    assert said.stderr == "runner: count has no step 'three'\n  help: there are: one, two\n"


def test_following_goes_on_over_a_restart(desk: Desk, until: Callable[..., None]) -> None:
    desk.write(STEPS)
    served = desk.serve()
    served.wait_for("nothing is scheduled")
    desk.runner("trigger", "count")
    served.wait_for("count started")
    people = follow(desk, "count")
    program = follow(desk, "count", "--json")
    only = follow(desk, "count", "--step", "two", "--no-times")
    assert people.stdout is not None
    assert "begin" in people.stdout.readline()
    (desk.directory / "go1").touch()
    # stdout and stderr come through two pipes: only each one's own order is certain.
    assert {"red" in people.stdout.readline(), "red" in people.stdout.readline()} == {True, False}
    served.kill()
    (desk.directory / "go2").touch()
    again = desk.serve()
    again.wait_for("taken over")
    (desk.directory / "go3").touch()
    rest, notes = people.communicate(timeout=PATIENCE)
    lines = rest.splitlines()
    assert [re.sub(r"^\d\d:\d\d:\d\d\.\d\d\d ", "", line) for line in lines] == [
        "  one | line 2",
        "  one | line 3",
        "! two | last",
    ]
    assert "count failed" in notes
    assert "two: exit code 3" in notes
    entries = [json.loads(line) for line in program.communicate(timeout=PATIENCE)[0].splitlines()]
    assert [entry["text"] for entry in entries if entry.get("stream") == "stdout"] == [
        "begin",
        "line 1",
        "line 2",
        "line 3",
    ]
    assert [entry["text"] for entry in entries if entry.get("stream") == "stderr"] == [
        r"red \x1b[31m bell \x07",
        "last",
    ]
    assert entries[-1]["status"] == "failed"
    assert only.communicate(timeout=PATIENCE)[0] == "last\n"


def test_since_and_what_was_before(desk: Desk) -> None:
    desk.write(STEPS)
    for number in (1, 2, 3):
        (desk.directory / f"go{number}").touch()
    desk.runner("run", "count", "-q", check=False)
    assert desk.runner("logs", "count", "--since", "1h").stdout.count("\n") == 6
    assert desk.runner("logs", "count", "--since", "2001-01-01").stdout.count("\n") == 6
    assert desk.runner("logs", "count", "--since", "0s").stdout == ""
    wrong = desk.runner("logs", "-f", "jobs.yaml", "count", check=False)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "here -f follows; name the jobs file with --file" in wrong.stderr
    over = desk.runner("logs", "-f", "count")
    assert over.stdout.count("\n") == 6


def test_earlier_attempts_are_told_too(desk: Desk) -> None:
    desk.write(
        "jobs:\n  twice:\n    run: echo try $RUNNER_ATTEMPT; test $RUNNER_ATTEMPT = 2\n    retry: {max: 1}\n"
    )
    desk.runner("run", "twice", "-q")
    assert desk.runner("logs", "twice").stdout == "try 1\ntry 2\n"
    assert [line[15:] for line in desk.runner("logs", "-f", "twice").stdout.splitlines()] == [
        "try 1",
        "try 2",
    ]


def test_no_control_byte_reaches_the_terminal(desk: Desk, tmp_path: Path) -> None:
    raw = bytes(range(256)) * 4
    (tmp_path / "raw").write_bytes(raw)
    desk.write("jobs:\n  rude:\n    run: cat raw; cat raw >&2\n")
    desk.runner("run", "rude", "-q")
    for said in (
        desk.runner("logs", "rude"),
        desk.runner("logs", "-f", "rude"),
        desk.runner("logs", "rude", "-t"),
    ):
        assert not [c for c in said.stdout if (ord(c) < 32 and c not in "\n\t") or ord(c) == 127]
    assert json.loads(desk.runner("logs", "rude", "--json").stdout)["lines"]


def test_output_that_is_not_kept_any_more_leaves_its_end(desk: Desk) -> None:
    desk.write("jobs:\n  talk: {run: 'seq 1 30'}\n  mute: {run: 'true'}\n")
    desk.runner("run", "talk")
    desk.runner("run", "mute")
    assert desk.runner("logs", "talk").stdout.split() == [str(n) for n in range(1, 31)]
    shutil.rmtree(desk.directory / "state" / "logs")
    said = desk.runner("logs", "talk")
    assert said.stdout.split() == [str(n) for n in range(11, 31)]
    assert said.stderr == "of the output of main only this is on record:\n"
    assert desk.runner("logs", "mute").stderr == "main printed nothing\n"
    assert desk.runner("logs", "mute", "--since", "1h").stderr == ""
