from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

import pytest

from runner.errors import ExecutorError
from runner.executors import artifacts
from runner.executors.limits import Groups
from runner.executors.place import attempt_id, run_id
from runner.executors.users import Other
from runner.spec import Limits
from tests.executors.rig import Open, sh, task

ROOT = os.geteuid() == 0
root_only = pytest.mark.skipif(not ROOT or not shutil.which("setpriv"), reason="only root changes users")


@pytest.fixture
def nobody(tmp_path: Path) -> pwd.struct_passwd:
    """A user whose commands may stand in the working directory."""
    entry = pwd.getpwnam("nobody")
    for parent in (tmp_path, *tmp_path.parents):
        if str(parent).startswith("/tmp/pytest"):
            os.chmod(parent, 0o755)
    return entry


@root_only
def test_a_command_of_another_user(local: Open, nobody: pwd.struct_passwd) -> None:
    script = 'id -u; echo $USER; echo "rows=2" > $RUNNER_OUTPUT; touch $RUNNER_RUN_DIR/x; ls $RUNNER_RUN_DIR'
    one = task(sh(script, user="nobody"))
    local.executor.start(one)
    outcome = local.next()
    assert (outcome.error, outcome.tail) == ("", f"{nobody.pw_uid}\nnobody\nx")
    assert outcome.outputs == {"rows": "2"}
    assert not Path(Other.shared(attempt_id(one.attempt))).exists()
    shutil.rmtree(Other.shared(run_id(one.run.key)))


@root_only
def test_a_script_file_of_another_user(local: Open, nobody: pwd.struct_passwd) -> None:
    one = task(sh("import os; print(os.getuid())", user="nobody", shell=("/usr/bin/env", "python3")))
    local.executor.start(one)
    outcome = local.next()
    shutil.rmtree(Other.shared(run_id(one.run.key)))
    if "python3" in outcome.tail:
        pytest.skip("this machine's python3 is not for everybody")
    assert (outcome.error, outcome.tail) == ("", str(nobody.pw_uid))


@root_only
def test_another_user_is_stopped_too(local: Open, nobody: pwd.struct_passwd) -> None:
    one = task(sh("sleep 66.5", user="nobody"))
    local.executor.start(one)
    local.executor.cancel(one.attempt, "asked")
    assert "stopped" in local.next().error
    shutil.rmtree(Other.shared(run_id(one.run.key)), ignore_errors=True)


def test_a_user_that_is_not_there(local: Open) -> None:
    assert local.run(sh("true", user="no-such-user")).error == "there is no user no-such-user on this machine"


def test_our_own_user_needs_nothing(local: Open) -> None:
    outcome = local.run(sh("echo a=1 >> $RUNNER_OUTPUT", user=pwd.getpwuid(os.geteuid()).pw_name))
    assert outcome.outputs == {"a": "1"}


def test_memory_is_bounded_without_a_control_group(local: Open, caplog: pytest.LogCaptureFixture) -> None:
    local.executor._commands.groups = Groups(None)
    outcome = local.run(sh("ulimit -v", limits=Limits(memory=512 << 20, cpus=1.0)))
    assert outcome.tail == str(512 << 10)
    assert "cpus and pids are not enforced" in caplog.text


def test_a_control_group_is_made_joined_and_given_back(tmp_path: Path) -> None:
    base = tmp_path / "group"
    base.mkdir()
    groups = Groups(base)
    argv = groups.wrap("one", Limits(cpus=1.5, memory=1 << 20, pids=64), ("true",))
    group = base / "one"
    assert {path.name: path.read_text() for path in group.iterdir()} == {
        "cpu.max": "150000 100000",
        "memory.max": "1048576",
        "pids.max": "64",
    }
    assert argv[-2:] == (str(group), "true")
    assert os.spawnvp(os.P_WAIT, argv[0], list(argv)) == 0
    assert (group / "cgroup.procs").read_text() == "0\n"
    (group / "memory.events").write_text("low 0\noom_kill 2\n")
    assert groups.killed_for_memory("one")
    for path in group.iterdir():
        path.unlink()
    groups.remove("one")
    assert not group.exists()


def test_artifacts_are_kept_as_they_lie(local: Open) -> None:
    script = "mkdir -p out/deep; echo 1 > out/deep/a.csv; echo 2 > b.csv; ln -s /etc/passwd c.csv; exit 3"
    one = task(sh(script), artifacts=("out", "*.csv"))
    local.executor.start(one)
    assert local.next().exit_code == 3
    kept = artifacts.path_of(local.state_dir, one.attempt)
    found = {str(path.relative_to(kept)): path.read_text() for path in kept.rglob("*") if path.is_file()}
    assert found == {"out/deep/a.csv": "1\n", "b.csv": "2\n"}


def test_artifacts_go_when_their_time_has_come(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "a.csv").write_text("1\n")
    kept = [tmp_path / "artifacts" / name for name in ("one", "two", "three")]
    for path in kept:
        artifacts.collect(["*.csv"], tmp_path / "work", path)
    artifacts.keep_until(kept[0], 100)
    artifacts.keep_until(kept[1], 200)
    assert artifacts.expire(tmp_path, 99) == 0
    assert artifacts.expire(tmp_path, 100) == 1
    assert [path.exists() for path in kept] == [False, True, True]
    assert sorted(path.name for path in (tmp_path / "artifacts").iterdir()) == ["three", "two", "two.until"]


@pytest.mark.parametrize("pattern", ["/etc/passwd", "../x", "a/../../x"])
def test_artifacts_stay_inside(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(ExecutorError) as caught:
        artifacts.collect([pattern], tmp_path, tmp_path / "kept")
    assert "leaves the working directory (write it relative to it)" in str(caught.value)
