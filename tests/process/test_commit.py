"""Which commit of the jobs' files a run was made from: told to its command, its expressions and the history."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from runner.service.commit import commit_of
from tests.process.conftest import Desk
from tests.waiting import wait_until

JOBS = """\
jobs:
  said:
    run: |
      echo "env=$RUNNER_COMMIT"
      echo "expression=${{ run.commit }}"
  tick: {schedule: "* * * * * *", run: "true"}
"""


def git(where: Path, *args: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    done = subprocess.run(["git", *identity, *args], cwd=where, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def committed(where: Path, *files: str) -> str:
    git(where, "add", *files)
    git(where, "commit", "-qm", "a change")
    return git(where, "rev-parse", "--short", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    where = tmp_path / "repository"
    where.mkdir()
    git(where, "init", "-q")
    (where / "jobs.yaml").write_text(JOBS)
    return where


def test_the_files_that_were_read_decide(repository: Path) -> None:
    main, more, other = repository / "jobs.yaml", repository / "more.yaml", repository / "README"
    assert commit_of([main]) == ""  # not one commit yet
    for file in (more, other):
        file.write_text("x: 1\n")
    head = committed(repository, "jobs.yaml", "more.yaml", "README")
    assert commit_of([main, more]) == head
    other.write_text("not read\n")
    assert commit_of([main, more]) == head
    more.write_text("x: 2\n")
    assert commit_of([main]) == head
    assert commit_of([main, more]) == f"{head}+"
    outside = repository.parent / "outside.yaml"
    outside.write_text("x: 1\n")
    assert commit_of([main, outside]) == head


def test_files_that_git_does_not_know(repository: Path) -> None:
    (repository / ".gitignore").write_text("ignored.yaml\n")
    committed(repository, "jobs.yaml", ".gitignore")
    for name in ("ignored.yaml", "new.yaml"):
        (repository / name).write_text("x: 1\n")
        assert commit_of([repository / name]) == ""
    assert commit_of([repository / "jobs.yaml", repository / "new.yaml"]).endswith("+")
    assert commit_of([repository.parent / "missing.yaml"]) == ""
    assert commit_of([]) == ""


def test_a_link_to_the_repository_and_names_that_are_patterns(repository: Path) -> None:
    (repository / "jobs[1].yaml").write_text("x: 1\n")
    (repository / "jobs1.yaml").write_text("x: 1\n")
    head = committed(repository, ".")
    (repository / "jobs1.yaml").write_text("x: 2\n")
    (repository.parent / "current").symlink_to(repository)
    assert commit_of([repository.parent / "current" / "jobs[1].yaml"]) == head


def test_without_git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed(repository, "jobs.yaml")
    monkeypatch.setenv("PATH", str(repository))
    assert commit_of([repository / "jobs.yaml"]) == ""


def test_a_run_says_the_commit_it_was_made_from(desk: Desk) -> None:
    git(desk.directory, "init", "-q")
    desk.write(JOBS)
    first = committed(desk.directory, "jobs.yaml")
    said = desk.runner("run", "said").stdout
    assert f"env={first}\n" in said
    assert f"expression={first}\n" in said
    served = desk.serve()
    served.wait_for("tick succeeded")
    desk.write(JOBS.replace('"* * * * * *"', '"*/2 * * * * *"'))
    served.wait_for("1 changed (tick)")
    wait_until(lambda: commits(desk)[0] == f"{first}+", "a run of the edited file")
    second = committed(desk.directory, "jobs.yaml")
    desk.runner("reload")
    assert f"at commit {second}" in desk.runner("status").stdout
    wait_until(lambda: commits(desk)[0] == second, "a run of what was committed")
    served.stop()
    assert list(dict.fromkeys(commits(desk))) == [second, f"{first}+", first]


def commits(desk: Desk) -> list[object]:
    """Of the runs, the newest first."""
    return [run["commit"] for run in desk.history("-n", "1000")]


def test_without_a_repository_there_is_none(desk: Desk) -> None:
    desk.write(JOBS)
    said = desk.runner("run", "said").stdout
    assert "env=\n" in said
    assert "expression=\n" in said
    assert desk.history()[0]["commit"] is None
