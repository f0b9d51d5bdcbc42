"""`runner plan` against a file, a commit and what is running."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from runner import config
from runner.cli.plan_ import command
from runner.core.action import Save
from runner.core.run import Job
from runner.errors import RunnerError
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from runner.moment import parse_iso

OLD = "include: [more/*.yaml]\njobs:\n  etl: {schedule: '0 2 * * *', run: echo etl}\n"
MORE = "jobs:\n  mail: {schedule: '0 9 * * *', run: echo mail}\n"


class Desk:
    def __init__(self, directory: Path) -> None:
        self.directory = directory / "repo"
        self.file = self.directory / "jobs.yaml"
        (self.directory / "more").mkdir(parents=True)
        self.file.write_text(OLD)
        (self.directory / "more" / "mail.yaml").write_text(MORE)
        self.state = directory / "state"

    def git(self, *args: str) -> None:
        who = ["-c", "user.name=kari", "-c", "user.email=kari@example.com"]
        subprocess.run(["git", "-C", str(self.directory), *who, *args], check=True, capture_output=True)

    def call(self, *args: str) -> Result:
        environ = {"RUNNER_STATE_DIR": str(self.state), "RUNNER_DATABASE_URL": None}
        return CliRunner().invoke(command, [*args, "-f", str(self.file)], env=environ)

    def edits(self, *args: str) -> dict[str, str]:
        result = self.call(*args, "--json")
        assert result.exit_code == 0, result.output
        document: dict[str, Any] = json.loads(result.stdout)
        return {edit["job"]: edit["what"] for edit in document["edits"]}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_against_the_last_commit_with_what_it_includes(desk: Desk) -> None:
    desk.git("init", "-q")
    desk.git("add", ".")
    desk.git("commit", "-qm", "first")
    assert desk.edits() == {}
    assert desk.call("--exit-code").exit_code == 0
    desk.file.write_text(OLD.replace("0 2", "0 3"))
    (desk.directory / "more" / "mail.yaml").unlink()
    (desk.directory / "more" / "page.yaml").write_text(MORE.replace("mail:", "page:"))
    assert desk.edits() == {"etl": "changed", "page": "added", "mail": "removed"}
    assert desk.edits("--against", "HEAD") == desk.edits()
    result = desk.call("--exit-code")
    assert result.exit_code == 1
    assert "    schedule: 0 2 * * * -> 0 3 * * *\n" in result.stdout
    assert result.stdout.endswith("1 added, 1 changed, 1 removed, 0 unchanged\n")
    assert "- **etl** changed" in desk.call("--format", "markdown").stdout


def test_against_another_file(desk: Desk, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("jobs:\n  etl: {schedule: '0 2 * * *', run: echo etl}\n")
    assert desk.edits("--against", str(other)) == {"mail": "added"}


def test_against_what_is_running(desk: Desk) -> None:
    desk.state.mkdir()
    store = SQLAlchemyJobStore(f"sqlite:///{desk.state / 'runner.db'}")
    store.open()
    store.write([Save(Job(spec)) for spec in config.load(desk.file).jobs])
    store.close()
    assert desk.edits() == {}
    desk.file.write_text(OLD.replace("echo etl", "echo more"))
    assert desk.edits() == desk.edits("--against", "running") == {"etl": "changed"}


@pytest.mark.parametrize(
    ("args", "fact"),
    [
        (("--against", "running"), "nothing of FILE was ever run here"),
        (("--against", "v9"), "'v9' is neither a file nor a commit of the repository of FILE"),
        (
            ("--against", "--output=x"),
            "'--output=x' is neither a file nor a commit of the repository of FILE",
        ),
        ((), "'HEAD' is neither a file nor a commit of the repository of FILE"),
    ],
)
def test_nothing_to_compare_with(desk: Desk, args: tuple[str, ...], fact: str) -> None:
    error = desk.call(*args).exception
    assert isinstance(error, RunnerError)
    assert error.fact == fact.replace("FILE", str(desk.file))


def test_a_broken_file_ends_with_3(desk: Desk, tmp_path: Path) -> None:
    desk.file.write_text("jobs: [")
    assert desk.call().exit_code == 3
    desk.file.write_text(OLD)
    other = tmp_path / "other.yaml"
    other.write_text("jobs: [")
    assert getattr(desk.call("--against", str(other)).exception, "exit_code", None) == 3


HOUSE = """\
channels: {ops: "log:", old: "log:"}
secrets: {token: {env: A}}
groups: {db: 2}
executors: {heavy: {max_workers: 1}}
maintenance: [{name: upgrade, start: "2026-12-01T22:00Z", duration: 4h}]
jobs: {a: {run: x, timezone: UTC}}
"""


def test_what_changes_beside_the_jobs_is_said_without_addresses(desk: Desk, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(HOUSE)
    new = HOUSE.replace('ops: "log:", old', 'ops: "mailto://me:hidden@example.com", new').replace(
        "env: A", "env: B"
    )
    desk.file.write_text(
        new.replace("db: 2", "db: 3").replace("max_workers: 1", "max_workers: 2").replace("4h", "5h")
    )
    result = desk.call("--against", str(other), "--exit-code")
    assert result.exit_code == 1
    assert "hidden" not in result.stdout
    document = json.loads(desk.call("--against", str(other), "--json").stdout)
    assert document["edits"] == []
    changed = {key["key"]: (key["old"], key["new"]) for key in document["beside"]}
    before, after = changed.pop("maintenance.upgrade")
    opens = before.partition(",")[0]
    assert parse_iso(opens) == parse_iso("2026-12-01T22:00Z")
    assert (before, after) == (f"{opens}, for 4h", f"{opens}, for 5h")
    assert changed == {
        "channels.ops": ("as it was", "another one"),
        "channels.old": ("there", ""),
        "channels.new": ("", "there"),
        "secrets.token": ("as it was", "another one"),
        "groups.db": ("2", "3"),
        "executors.heavy": ("1", "2"),
    }
    assert result.stdout.startswith("~ beside the jobs\n    channels.ops: as it was -> another one\n")


def test_a_directory_of_files_against_a_commit(desk: Desk) -> None:
    desk.git("init", "-q")
    desk.git("add", ".")
    desk.git("commit", "-qm", "first")
    (desk.directory / "more" / "mail.yaml").write_text(MORE.replace("0 9", "0 8"))
    environ = {"RUNNER_STATE_DIR": str(desk.state), "RUNNER_DATABASE_URL": None}
    args = ["-f", str(desk.directory / "more"), "--json"]
    result = CliRunner().invoke(command, args, env=environ)
    assert result.exit_code == 0, (result.output, result.exception)
    assert [edit["what"] for edit in json.loads(result.stdout)["edits"]] == ["changed"]
