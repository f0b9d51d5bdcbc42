"""Several files, a directory, included files: served, followed, and kept apart where one is broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.conftest import Desk, Served


def job(id: str, text: str = "echo", schedule: str = "every 1h") -> str:
    return f"  {id}:\n    schedule: {schedule}\n    run: {text}\n"


def put(file: Path, text: str) -> None:
    """Write it as a whole: half a file would be an edit of its own."""
    aside = file.with_name(f".{file.name}.new")
    aside.write_text(text)
    aside.replace(file)


def serve(desk: Desk, *files: Path) -> Served:
    args = [word for file in files for word in ("-f", str(file))]
    served = Served(desk.directory, *args, alone=True)
    desk.served.append(served)
    return served


def listed(desk: Desk, *files: Path) -> list[str]:
    args = [word for file in files for word in ("-f", str(file))]
    return [each["id"] for each in json.loads(desk.runner("list", "--json", *args).stdout)["jobs"]]


def test_several_files_are_one_schedule_and_all_are_followed(desk: Desk) -> None:
    one, two = desk.directory / "one.yaml", desk.directory / "other" / "two.yaml"
    two.parent.mkdir()
    one.write_text("channels: {ops: 'log:'}\njobs:\n" + job("a"))
    two.write_text("jobs:\n" + job("b") + "    notify: {on_failure: ops}\n")
    served = serve(desk, one, two)
    served.wait_for("2 jobs, 2 scheduled")
    served.wait_for("next:")
    assert listed(desk, one, two) == ["a", "b"]
    put(two, "jobs:\n" + job("b", "date") + job("c"))
    served.wait_for("1 added (c), 1 changed (b), 1 unchanged")
    desk.runner("run", "b", "-f", str(one), "-f", str(two))


def test_a_directory_is_followed_with_the_files_that_come_and_go(desk: Desk) -> None:
    directory = desk.directory / "conf"
    directory.mkdir()
    (directory / "a.yaml").write_text("jobs:\n" + job("a", "pwd") + job("aa"))
    served = serve(desk, directory)
    served.wait_for("2 jobs, 2 scheduled")
    served.wait_for("next:")
    put(directory / "b.yml", "jobs:\n" + job("b"))
    served.wait_for("1 added (b), 2 unchanged")
    (directory / "notes.txt").write_text("not ours")
    (directory / "b.yml").unlink()
    served.wait_for("1 removed (b), 2 unchanged")
    done = desk.runner("run", "a", "-f", str(directory))
    assert str(directory) in done.stdout + done.stderr


def test_an_included_file_that_appears_is_live(desk: Desk) -> None:
    (desk.directory / "jobs.d").mkdir()
    desk.write("include: jobs.d/*.yaml\ndefaults: {timeout: 1m}\njobs:\n" + job("a"))
    served = desk.serve()
    served.wait_for("1 job, 1 scheduled")
    served.wait_for("next:")
    put(desk.directory / "jobs.d" / "b.yaml", "jobs:\n" + job("b"))
    served.wait_for("1 added (b), 1 unchanged")
    put(desk.directory / "jobs.d" / "b.yaml", "jobs:\n" + job("b", "date"))
    served.wait_for("1 changed (b), 1 unchanged")


def test_one_broken_file_holds_back_all_unless_files_are_isolated(desk: Desk) -> None:
    other = desk.directory / "other.yaml"
    desk.write("include: other.yaml\njobs:\n" + job("a"))
    other.write_text("jobs:\n" + job("b"))
    served = desk.serve()
    served.wait_for("2 jobs, 2 scheduled")
    served.wait_for("next:")
    put(other, "jobs:\n  b: {rum: x}\n")
    served.wait_for("the last good configuration keeps running")
    desk.write("include: other.yaml\nisolate_files: true\njobs:\n" + job("a", "date"))
    served.wait_for("the last good configuration keeps running")
    put(other, "jobs:\n" + job("b"))
    served.wait_for("1 changed (a), 1 unchanged")

    put(other, "jobs:\n  b: {rum: x}\n")
    served.wait_for("error[unknown-key]")
    served.wait_for("the jobs of the broken files keep their last good form")
    desk.write("include: other.yaml\nisolate_files: true\njobs:\n" + job("a", "ls"))
    served.wait_for("1 changed (a), 1 unchanged")
    status = json.loads(desk.runner("status", "--json").stdout)
    assert status["config"]["ok"] is False
    assert "other.yaml:2:7" in status["config"]["error"]
    assert status["jobs"] == 2
    put(other, "jobs:\n" + job("b", "date"))
    served.wait_for("1 changed (b), 1 unchanged")
    assert json.loads(desk.runner("status", "--json").stdout)["config"]["ok"] is True


def test_a_start_needs_every_file(desk: Desk) -> None:
    desk.write("include: other.yaml\nisolate_files: true\njobs:\n" + job("a"))
    (desk.directory / "other.yaml").write_text("jobs:\n  b: {rum: x}\n")
    done = desk.runner("serve", check=False)
    assert done.returncode == 3
    assert "other.yaml:2:7" in done.stderr


@pytest.mark.parametrize("how", ["-f", "RUNNER_FILE"])
def test_a_file_that_is_not_there_is_named(desk: Desk, how: str) -> None:
    desk.write("jobs:\n" + job("a"))
    args = ["-f", "jobs.yaml", "-f", "gone.yaml"] if how == "-f" else []
    environ = {**os.environ} | ({"RUNNER_FILE": "jobs.yaml:gone.yaml"} if how != "-f" else {})
    done = subprocess.run(
        [sys.executable, "-m", "runner", "validate", *args],
        cwd=desk.directory, env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert "there is no file gone.yaml" in done.stderr
