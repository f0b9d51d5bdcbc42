"""H. Security: what a database, a name, a file from a stranger may make the runner do."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import sqlite3
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from runner.cli import group
from runner.errors import RunnerError
from tests.faults import checker
from tests.faults.conftest import Stage
from tests.faults.figures import record
from tests.faults.figures import size as how_many
from tests.faults.rig import MARK, Scene
from tests.faults.test_f_processes import ended, log_of
from tests.waiting import wait_until

JOB = f"jobs:\n  tick:\n    schedule: '* * * * * *'\n    run: |\n      {MARK}\n"


class Evil:
    """What an unpickler would run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def crafted(pwned: Path) -> dict[str, str]:
    """What a row may hold instead of a definition."""
    call = {"~": "Call", "ref": "os:system", "args": {"~": "tuple", "items": [f"touch {pwned}"]}}
    return {
        "pickle": pickle.dumps(Evil(pwned)).decode("latin-1"),
        "base64 pickle": json.dumps({"~": "pickle", "value": pickle.dumps(Evil(pwned)).hex()}),
        "a class of Python": json.dumps({"~": "os.system", "value": f"touch {pwned}"}),
        "a class by name": json.dumps({"~": "subprocess.Popen", "args": ["touch", str(pwned)]}),
        "a call": json.dumps(call),
        "a deep one": "[" * 100_000,
        "nothing": "",
        "not text": "\x00\x01",
    }


def test_case_50_crafted_rows(stage: Stage) -> None:
    scene = stage(JOB)
    runner = scene.serve()
    runner.wait_lead()
    scene.wait_start()
    assert runner.stop() == 0
    pwned = scene.directory / "pwned"
    rows = crafted(pwned)
    with sqlite3.connect(scene.directory / "state" / "runner.db") as connection:
        (spec,) = connection.execute("SELECT spec FROM runner_specs").fetchone()
        changed = spec.replace('"script":"', f'"script":"touch {pwned}; ')
        assert changed != spec
        # The definition of the job itself, changed: a job of a file runs what the file says.
        connection.execute("UPDATE runner_specs SET spec = ?", (changed,))
        for number, text in enumerate(rows.values()):
            connection.execute("INSERT INTO runner_specs VALUES (?, ?)", (f"evil{number}", text))
            connection.execute(
                "INSERT INTO runner_jobs SELECT source, ?, ?, next_at, state, reason, paused_until, passed,"
                " last_status, last_success, failures, backs, late_at FROM runner_jobs WHERE id = 'tick'",
                (f"../../evil{number}", f"evil{number}"),
            )
            connection.execute(
                "INSERT INTO runner_requests VALUES (?, ?, 'asked', 0, ?)",
                (f"evil{number}", scene.source, text),
            )
            connection.execute(
                "INSERT INTO runner_deliveries VALUES (?, ?, 'waiting', 0, ?)",
                (f"evil{number}", scene.source, text),
            )
    connection.close()
    before = sorted(path.name for path in scene.directory.parent.iterdir())
    runner = scene.serve("--allow-shrink")
    try:
        wait_until(lambda: scene.started() > 2 or not runner.alive or "trying again" in runner.said()
                   or "fails" in runner.said(), "it goes on, or says why not")  # fmt: skip
        alive = runner.alive
        for words in (["list"], ["history"], ["status", "--check"], ["db", "check"]):
            scene.cli(*words, check=False)
    finally:
        runner.kill()
    assert alive
    assert not pwned.exists()
    assert sorted(path.name for path in scene.directory.parent.iterdir()) == before
    record("50", "crafted rows: pickles, calls, classes, changed definitions, paths", len(rows) * 3 + 1,
           {"executed": 0}, "0 executed")  # fmt: skip


def encodings(target: str, count: int) -> list[str]:
    dots = ["..", "%2e%2e", "..%00", ".%2e", "%252e%252e", "．．", "..\\", "%c0%ae%c0%ae", "....", "..;"]
    slashes = ["/", "%2f", "\\", "%5c", "%252f", "//", "/./", "∕"]
    starts = ["", "/", "file://", "logs/", "tick@", "tick@2026-01-01T00:00:00Z+"]
    found = []
    for depth in range(1, 9):
        for dot in dots:
            for slash in slashes:
                for start in starts:
                    found.append(start + (dot + slash) * depth + target.replace("/", slash))
    step = max(1, len(found) // count)
    return [*found[::step][:count], "tick\x00", "a" * 300, "-", "tick@", "@", "%s%n", "${HOME}"]


def test_case_56_paths_as_ids(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = stage(JOB.replace("'* * * * * *'", "'@yearly'"))
    secret = scene.directory / "secret.txt"
    secret.write_text("TOPSECRET\n")
    scene.cli("run", "tick", "-q")
    monkeypatch.setenv("RUNNER_STATE_DIR", str(scene.directory / "state"))
    monkeypatch.setenv("RUNNER_FILE", str(scene.file))
    tried = 0
    for id in encodings("secret.txt", how_many(40, 400)):
        for words in (["logs"], ["logs", "--raw"], ["history"]):
            if id.startswith("-"):
                continue
            said = CliRunner().invoke(group, [*words, id])
            assert said.exit_code != 0, (words, id, said.output)
            assert "TOPSECRET" not in said.output
            tried += 1
    log = next((scene.directory / "state").rglob("*.log"), None)
    assert log is None or not log.is_symlink()
    record("56", "paths in place of ids of runs and jobs", tried, {"read outside": 0}, "0 reads outside")


@pytest.mark.parametrize("id", ["../x", "a/b", "a\\0b", "a" * 300, ".", "..", "-rf", "$(id)", "A B", "é"])
def test_case_56_names_of_jobs(stage: Stage, id: str) -> None:
    scene = stage(f'jobs:\n  "{id}":\n    run: "true"\n')
    done = CliRunner().invoke(group, ["validate", str(scene.file)])
    assert done.exit_code == 3, done.output


def test_case_56_a_link_in_place_of_a_log(stage: Stage) -> None:
    """Whoever may write into the state directory cannot make the runner write elsewhere."""
    scene = stage(
        f"jobs:\n  talk:\n    run: |\n      {MARK}\n      while ! test -e go; do sleep 0.02; done; echo hello\n"
    )
    runner = scene.serve()
    runner.wait_lead()
    scene.trigger("talk")
    scene.wait_start(0)
    victim = scene.directory / "victim"
    victim.write_text("untouched")
    path = log_of(scene, "talk")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(victim)
    (scene.directory / "go").touch()
    wait_until(lambda: ended(scene, "talk"), "it ends")
    assert runner.stop() == 0
    assert victim.read_text() == "untouched"
    assert checker.read(scene).of("talk")[0].status == "succeeded"


STRANGERS = {
    "a module": ("jobs:\n  a:\n    python: evil:go\n", 0),
    "os.system": ("jobs:\n  a:\n    python: os:system\n    with: {command: 'touch pwned'}\n", 0),
    "an env file outside": ("env_file: ../outside.env\njobs:\n  a:\n    run: 'true'\n", None),
    "a secret's command": (
        "secrets:\n  s: {command: [touch, pwned]}\njobs:\n  a:\n    run: echo ${{ secrets.s }}\n",
        0,
    ),
    "a template": ("jobs:\n  a:\n    run: \"echo ${{ ''.__class__.__mro__ }}\"\n", None),
}


@pytest.mark.parametrize("what", STRANGERS)
def test_case_58_looking_executes_nothing(stage: Stage, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, code = STRANGERS[what]
    scene = stage(text)
    (scene.directory / "evil.py").write_text("open('pwned', 'w')\ndef go(): pass\n")
    (scene.directory.parent / "outside.env").write_text("A=1\n")
    monkeypatch.chdir(scene.directory)
    monkeypatch.setenv("RUNNER_STATE_DIR", str(scene.directory / "state"))
    for words in (["validate"], ["list"], ["next"], ["plan"]):
        done = CliRunner().invoke(group, words)
        assert done.exception is None or isinstance(done.exception, SystemExit | RunnerError), done.output
        if words == ["validate"] and code is not None:
            assert done.exit_code == code, done.output
    assert not (scene.directory / "pwned").exists()
    record(
        f"58 {what}", "a file from a stranger, looked at", 4, {"executed": 0}, "nothing executed or imported"
    )


def test_case_58_files_outside(stage: Stage) -> None:
    scene = stage("include: /etc/hostname\njobs:\n  a:\n    run: 'true'\n")
    absolute = scene.cli("validate", check=False)
    scene.file.write_text("include: ../other.yaml\njobs:\n  a:\n    run: 'true'\n")
    (scene.directory.parent / "other.yaml").write_text("jobs:\n  b:\n    run: 'true'\n")
    above = scene.cli("validate", check=False)
    assert absolute.returncode == 3, absolute.stdout
    assert above.returncode == 3, above.stdout


def test_the_scene_has_private_files(stage: Stage) -> None:
    scene: Scene = stage(JOB)
    runner = scene.serve()
    runner.wait_lead()
    scene.wait_start()
    wrong = []
    for root, directories, files in os.walk(scene.directory / "state"):
        for name in [*directories, *files]:
            path = Path(root, name)
            with contextlib.suppress(FileNotFoundError):  # they come and go: the runner is at work
                mode = path.lstat().st_mode
                if not stat.S_ISLNK(mode) and mode & 0o077:
                    wrong.append(str(path.relative_to(scene.directory)))
    assert runner.stop() == 0
    assert wrong == []
    record(
        "53 files",
        "files of the state directory others may read",
        1,
        {"readable by others": 0},
        "0600 in 0700",
    )
