"""What the command line as a whole promises: help, budget, exit codes, hints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import runner
from runner.cli import VERBS

HEAVY = {"sqlalchemy", "pydantic", "apprise", "jinja2", "yaml", "watchfiles", "alembic", "holidays"}
NOT_JSON = {"init", "serve", "import", "db"}
"""They print no facts; what `import` prints is a jobs file."""
FILE = "jobs:\n  hello:\n    schedule: every 5m\n    run: echo hello\n"


def call(*args: str, cwd: Path, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "runner", *args],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=60,
        env={
            **os.environ,
            "RUNNER_STATE_DIR": str(cwd / "state"),
            "PYTHONPATH": os.pathsep.join(sys.path),
            **(environ or {}),
        },
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "jobs.yaml").write_text(FILE)
    return tmp_path


@pytest.mark.parametrize("args", [["--version"], ["--help"], ["version"], []])
def test_what_answers_at_once_loads_nothing_heavy(args: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\nfrom runner.cli import main\n"
        f"try:\n    main({args!r})\nexcept SystemExit:\n    pass\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout or args == []
    loaded = set(eval(done.stderr.strip().splitlines()[-1]))
    assert "click" in loaded
    assert loaded & HEAVY == set()


def test_the_version_is_the_packages(place: Path) -> None:
    assert call("--version", cwd=place).stdout == f"runner {runner.__version__}\n"


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_a_help_that_says_what_it_is(verb: str, place: Path) -> None:
    done = call(verb, "--help", cwd=place)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: runner {verb} ")
    first = done.stdout.split("\n\n")[1].strip()
    assert len(first) > 20
    assert [line for line in done.stdout.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in NOT_JSON])
def test_each_verb_takes_json(verb: str, place: Path) -> None:
    assert "--json" in call(verb, "--help", cwd=place).stdout


def test_a_verb_that_is_not_is_met_with_the_near_one(place: Path) -> None:
    done = call("histroy", cwd=place)
    assert done.returncode == 2
    assert done.stderr == "runner: there is no verb 'histroy'\n  help: did you mean history?\n"
    assert call("xyzzy", cwd=place).stderr.endswith("  help: runner --help lists them\n")


CASES: list[tuple[list[str], int, str]] = [
    (["run", "helo"], 5, "helo"),
    (["history", "helo"], 5, "helo"),
    (["trigger", "hello"], 4, "no runner answers for"),
    (["status"], 4, "no runner answers for"),
    (["list", "-f", "other.yaml"], 3, "other.yaml"),
    (["list", "--wrong"], 2, "No such option"),
]


@pytest.mark.parametrize(("args", "code", "said"), CASES, ids=[" ".join(case[0]) for case in CASES])
def test_the_exit_code_and_the_word_for_it(args: list[str], code: int, said: str, place: Path) -> None:
    done = call(*args, cwd=place)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_file_is_3_with_its_place(place: Path) -> None:
    (place / "jobs.yaml").write_text(FILE.replace("schedule", "shedule"))
    for args in (["validate"], ["list"], ["run", "hello"]):
        done = call(*args, cwd=place)
        assert done.returncode == 3, (args, done.stdout, done.stderr)
        assert "jobs.yaml:3:5" in done.stdout + done.stderr


def test_the_file_comes_from_the_option_the_environment_or_the_directory(place: Path) -> None:
    other = place / "other.yaml"
    other.write_text(FILE.replace("hello:", "other:", 1))

    def jobs(*args: str, environ: dict[str, str] | None = None) -> list[str]:
        said = json.loads(call("list", "--json", *args, cwd=place, environ=environ).stdout)
        return [job["id"] for job in said["jobs"]]

    assert jobs() == ["hello"]
    assert jobs(environ={"RUNNER_FILE": str(other)}) == ["other"]
    assert jobs("-f", "jobs.yaml", environ={"RUNNER_FILE": str(other)}) == ["hello"]
