"""Jobs beside each other, and how commands are bounded and stopped, as the language says, by the real program."""

from __future__ import annotations

import json
import os
import pwd
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from tests.process.conftest import Desk, Served
from tests.waiting import wait_until

Until = Callable[..., None]


def ends(desk: Desk, job: str) -> list[dict[str, Any]]:
    """The ended runs of a job, the newest first."""
    found: list[dict[str, Any]] = json.loads(desk.runner("history", job, "--json").stdout)["runs"]
    return [run for run in found if run["ended_at"] is not None]


def serve(desk: Desk, text: str) -> Served:
    desk.write(text)
    served = desk.serve()
    served.wait_for("scheduled")
    return served


def test_after_starts_by_how_the_other_ended(desk: Desk) -> None:
    served = serve(
        desk,
        """\
jobs:
  good: {run: "true"}
  bad: {run: "false"}
  good-success: {after: good, run: "true"}
  good-failure: {after: {job: good, on: failure}, run: "true"}
  bad-success: {after: bad, run: "true"}
  bad-failure: {after: {job: bad, on: failure}, run: "true"}
  either: {after: [{job: bad, on: always}, {job: good, on: always}], run: "true"}
""",
    )
    desk.runner("trigger", "good")
    served.wait_for("either succeeded")
    desk.runner("trigger", "bad")
    served.wait_for("either succeeded")
    served.stop()
    runs = [str(run["job"]) for run in desk.history()]
    assert sorted(runs) == ["bad", "bad-failure", "either", "either", "good", "good-success"]


def test_a_gate_holds_a_schedule_until_the_other_succeeded(desk: Desk) -> None:
    served = serve(
        desk,
        """\
jobs:
  etl: {run: "true"}
  tick: {schedule: "* * * * * *", run: "true"}
  mail: {schedule: "* * * * * *", only_after: {job: etl, within: 1h}, run: "true"}
""",
    )
    served.wait_for("tick succeeded")
    served.wait_for("tick succeeded")
    assert ends(desk, "mail") == []
    desk.runner("trigger", "etl")
    served.wait_for("mail succeeded")
    served.stop()
    (etl,), first = ends(desk, "etl"), ends(desk, "mail")[-1]
    # A second may turn between the trigger and its end: the time it brings is held back like the one before.
    assert first["scheduled_at"] < etl["ended_at"] <= first["started_at"]


def hold(desk: Desk, name: str) -> str:
    """A command that ends once the file `name` is there, and notes its job in the file `order`."""
    return (
        f"echo $RUNNER_JOB+ >> order; while ! test -e {name}; do sleep 0.05; done; echo $RUNNER_JOB- >> order"
    )


def order(desk: Desk) -> list[str]:
    file = desk.directory / "order"
    return file.read_text().split() if file.exists() else []


def test_jobs_of_one_group_take_turns(desk: Desk) -> None:
    script = hold(desk, "go")
    served = serve(
        desk,
        f"""\
groups: {{db: {{max: 1}}}}
jobs:
  a: {{concurrency: {{group: db}}, run: "{script}"}}
  b: {{concurrency: {{group: db}}, run: "{script}"}}
  free: {{run: "true"}}
""",
    )
    desk.runner("trigger", "a")
    served.wait_for("a started")
    desk.runner("trigger", "b")
    desk.runner("trigger", "free")
    served.wait_for("free succeeded")
    wait_until(lambda: order(desk), "a command has begun")
    assert order(desk) == ["a+"]
    (desk.directory / "go").touch()
    served.wait_for("b succeeded")
    assert order(desk) == ["a+", "a-", "b+", "b-"]


def test_the_higher_priority_gets_the_next_place(desk: Desk) -> None:
    script = hold(desk, "go")
    served = serve(
        desk,
        f"""\
executors: {{one: {{max_workers: 1}}}}
defaults: {{executor: one}}
jobs:
  first: {{run: "{script}"}}
  low: {{run: "{script}"}}
  high: {{priority: 10, run: "{script}"}}
  free: {{executor: default, run: "true"}}
""",
    )
    desk.runner("trigger", "first")
    served.wait_for("first started")
    for job in ("low", "high", "free"):
        desk.runner("trigger", job)
    served.wait_for("free succeeded")
    (desk.directory / "go").touch()
    served.wait_for("low succeeded")
    assert order(desk) == ["first+", "first-", "high+", "high-", "low+", "low-"]


@pytest.mark.parametrize(
    ("keys", "script", "said", "code"),
    [
        ("stop_signal: SIGINT", "trap 'echo got INT; exit 0' INT; echo up; while :; do sleep 0.05; done", "got INT", 0),
        ("stop_grace_period: 3s", "trap 'echo deaf' TERM; echo up; while :; do sleep 0.05 || :; done", "deaf", 137),
    ],
)  # fmt: skip
def test_how_a_command_is_stopped(desk: Desk, keys: str, script: str, said: str, code: int) -> None:
    desk.write(f'jobs:\n  j: {{{keys}, run: "{script}"}}\n')
    served = desk.serve()
    served.wait_for("scheduled")
    desk.runner("trigger", "j")
    served.wait_for("up")
    desk.runner("stop", "j")
    served.wait_for("j cancelled")
    (run,) = ends(desk, "j")
    assert (run["status"], run["steps"][0]["exit_code"]) == ("cancelled", code)
    assert said in desk.runner("logs", "j").stdout.splitlines()[-1]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root changes users")
def test_a_command_of_another_user(desk: Desk) -> None:
    desk.write("jobs:\n  j:\n    user: nobody\n    working_dir: /\n    run: id -un; echo $HOME\n")
    home = pwd.getpwnam("nobody").pw_dir
    assert desk.runner("run", "--quiet", "j").stdout == f"nobody\n{home}\n"
    desk.write("jobs:\n  j: {user: no-such-user, run: id}\n")
    done = desk.runner("run", "j", check=False)
    assert done.returncode == 1
    assert "no-such-user" in done.stdout + done.stderr


def test_a_command_that_takes_more_memory_than_it_may(desk: Desk) -> None:
    script = "x = bytearray(300_000_000)"
    desk.write(f"jobs:\n  j: {{shell: python, limits: {{memory: 100M}}, run: '{script}'}}\n")
    assert desk.runner("run", "j", check=False).returncode == 1
    desk.write(f"jobs:\n  j: {{shell: python, limits: {{memory: 900M}}, run: '{script}'}}\n")
    assert desk.runner("run", "j", check=False).returncode == 0
