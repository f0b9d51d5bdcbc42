from __future__ import annotations

from pathlib import Path

import pytest

from runner.core.run import Status
from runner.executors.output import path_of, read
from runner.moment import SECOND
from runner.spec import Command, Success
from tests.executors.rig import SLOT, Open, sh, task


def test_a_command_that_succeeds(local: Open) -> None:
    outcome = local.run(sh("echo hello; echo oops >&2"))
    assert (outcome.status, outcome.exit_code, outcome.error) == (Status.SUCCEEDED, 0, "")
    assert sorted(outcome.tail.split("\n")) == ["hello", "oops"]
    assert outcome.started_at is not None
    assert outcome.ended_at is not None
    assert 0 < outcome.took < 10 * SECOND


def test_the_exit_code_decides(local: Open) -> None:
    outcome = local.run(sh("exit 3"))
    assert (outcome.status, outcome.exit_code, outcome.error) == (Status.FAILED, 3, "exit code 3")


def test_success_names_other_codes(local: Open) -> None:
    assert local.run(sh("exit 3", success=Success((0, 3)))).status is Status.SUCCEEDED


def test_output_that_means_failure(local: Open) -> None:
    outcome = local.run(sh("echo 'ERROR 7: no'", success=Success(fail_on_output="ERROR [0-9]+")))
    assert outcome.error == "its output matches fail_on_output: ERROR [0-9]+"


def test_a_program_that_is_not_there(local: Open) -> None:
    outcome = local.run(Command(argv=("no-such-program", "x")))
    assert (outcome.exit_code, outcome.error) == (127, "exit code 127: no-such-program was not found")


def test_a_file_that_cannot_be_run(local: Open, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    outcome = local.run(Command(argv=("./data",)))
    assert (outcome.exit_code, outcome.error) == (126, "exit code 126: ./data could not be run")


def test_a_program_named_like_a_shell_word(local: Open) -> None:
    assert local.run(Command(argv=("exit", "0"))).exit_code == 127


def test_a_working_directory_that_is_not_there(local: Open, tmp_path: Path) -> None:
    outcome = local.run(sh("true", working_dir="nowhere"))
    assert outcome.error == (
        f"the working directory {tmp_path}/nowhere does not exist (make it, or change working_dir)"
    )


def test_killed_by_a_signal(local: Open) -> None:
    outcome = local.run(sh("kill -9 $$"))
    assert (outcome.exit_code, outcome.error) == (137, "exit code 137: killed by SIGKILL")


def test_outputs(local: Open) -> None:
    outcome = local.run(
        sh('echo rows=3 >> "$RUNNER_OUTPUT"; printf "text<<E\\na\\nb\\nE\\n" >> "$RUNNER_OUTPUT"')
    )
    assert outcome.outputs == {"rows": "3", "text": "a\nb"}


def test_what_a_command_finds_in_its_environment(tmp_path: Path) -> None:
    environ = {"PATH": "/usr/bin:/bin", "RUNNER_TOKEN": "t", "RUNNER_FILE": "f", "OWN": "1", "BOTH": "old"}
    opened = Open(tmp_path, environ=environ)
    (tmp_path / "settings.env").write_text("FROM_FILE=x y\nBOTH=file\n")
    work = sh("env | grep -v -e '^_=' -e PWD -e SHLVL | sort")
    try:
        opened.executor.start(
            task(work, env_files=("settings.env", "missing.env?"), env={"STEP": "s", "BOTH": "step"})
        )
        outcome = opened.next()
    finally:
        opened.close()
    got = dict(row.split("=", 1) for row in outcome.tail.split("\n"))
    assert got.pop("RUNNER_OUTPUT").startswith(f"{tmp_path}/runs/")
    assert Path(got.pop("RUNNER_RUN_DIR")).is_dir()
    assert len(got.pop("RUNNER_ATTEMPT_ID")) == 32
    assert got == {
        "PATH": "/usr/bin:/bin",
        "OWN": "1",
        "RUNNER_FILE": "f",
        "FROM_FILE": "x y",
        "STEP": "s",
        "BOTH": "step",
        "RUNNER_JOB": "job",
        "RUNNER_RUN_ID": "job@2026-03-20T09:46:40Z",
        "RUNNER_STEP": "main",
        "RUNNER_ATTEMPT": "1",
        "RUNNER_COMMIT": "",
        "RUNNER_SCHEDULED_AT": "2026-03-20T09:46:40+00:00",
    }
    assert SLOT == 1_774_000_000 * SECOND


@pytest.mark.parametrize(
    ("work", "error"),
    [
        (Command(script="echo", shell=("no-such-shell", "-e")), "exit code 127: no-such-shell was not found"),
        (Command(script="no-such-program"), "exit code 127: a command was not found"),
    ],
)
def test_what_was_not_found_is_named(work: Command, error: str, local: Open) -> None:
    local.executor.start(task(work))
    outcome = local.next()
    assert (outcome.exit_code, outcome.error) == (127, error)


def test_output_is_kept_raw(local: Open) -> None:
    one = task(Command(argv=("printf", r"a\000\033[31m\377\n")))
    local.executor.start(one)
    outcome = local.next()
    assert read(path_of(local.state_dir, one.attempt)) == b"a\0\x1b[31m\xff\n"
    assert outcome.tail == r"a\x00\x1b[31m\xff"


def test_a_silent_command_leaves_no_log(local: Open) -> None:
    local.run(sh("true"))
    assert not (local.state_dir / "logs").exists()
