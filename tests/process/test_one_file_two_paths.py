"""One jobs file by two paths, through a link: it is served once, and who asks by the other path is told which."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.process.conftest import Desk


def test_the_other_path_is_named(desk: Desk, tmp_path: Path) -> None:
    desk.write("jobs: {tick: {schedule: every 1s, run: echo tick}}")
    (tmp_path / "current").symlink_to(tmp_path)
    environ = {**os.environ, "RUNNER_STATE_DIR": "", "XDG_STATE_HOME": str(tmp_path / "states")}

    def runner(*args: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "runner", *args],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stderr

    other = tmp_path / "current" / "jobs.yaml"
    by_link = ("-f", str(other))
    served = desk.serve(environ=environ)
    served.wait_for("tick succeeded")
    pid = served.process.pid
    assert runner("serve", *by_link) == (
        1,
        f"runner: process {pid} serves {other} already, by another path: each job would run twice\n"
        f"  help: give its path: -f {desk.file}\n",
    )
    assert runner("trigger", "tick", *by_link) == (
        4,
        f"runner: no runner answers for {other}\n  help: one serves it by another path: -f {desk.file}\n",
    )
    # `..` alone makes no other file of it.
    assert runner("trigger", "tick", "-f", str(tmp_path / "states" / ".." / "jobs.yaml"))[0] == 0
    served.kill()
    # Its note is there still, and nobody answers.
    code, said = runner("trigger", "tick", *by_link)
    assert (code, said.splitlines()[-1]) == (4, f"  help: start one with: runner serve -f {other}")


def test_one_with_a_state_directory_of_its_own_stands_by_on_the_same_database(
    desk: Desk, tmp_path: Path
) -> None:
    desk.write("jobs: {tick: {schedule: every 1s, run: echo tick}}")

    def in_state(name: str) -> dict[str, str]:
        return {
            "RUNNER_STATE_DIR": str(tmp_path / name),
            "RUNNER_DATABASE_URL": f"sqlite:///{tmp_path}/shared.db",
        }

    first = desk.serve(environ=in_state("runner-a"))
    first.wait_for("tick succeeded")
    second = desk.serve(environ=in_state("runner-b"))
    second.wait_for("already served by", "standing by")
    first.kill()
    second.wait_for("tick succeeded")
    assert second.stop() == 0
