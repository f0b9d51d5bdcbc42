from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from runner.errors import RunnerError
from runner.jobstores.sqlalchemy.database import file_of
from runner.service.control import Control, knock
from runner.service.place import Place, find_files
from tests.waiting import PATIENCE


def test_the_state_directory_is_named_after_the_file_and_its_path(tmp_path: Path) -> None:
    one = Place.of(Path("/srv/a/jobs.yaml"), {"XDG_STATE_HOME": str(tmp_path)})
    two = Place.of(Path("/srv/b/jobs.yaml"), {"XDG_STATE_HOME": str(tmp_path)})
    assert one.state.parent == tmp_path / "runner"
    assert one.state.name.startswith("jobs-")
    assert one.state != two.state


def test_the_environment_names_another(tmp_path: Path) -> None:
    place = Place.of(Path("/srv/jobs.yaml"), {"RUNNER_STATE_DIR": str(tmp_path / "s"), "HOME": "/root"})
    assert place.state == tmp_path / "s"
    assert place.url == f"sqlite:///{tmp_path / 's' / 'runner.db'}"


def test_the_state_directory_is_its_owners_alone(tmp_path: Path) -> None:
    place = Place.of(tmp_path / "jobs.yaml", {"RUNNER_STATE_DIR": str(tmp_path / "s")})
    place.make()
    assert place.state.stat().st_mode & 0o777 == 0o700


def test_a_state_directory_that_cannot_be_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = Place.of(tmp_path / "jobs.yaml", {"RUNNER_STATE_DIR": str(tmp_path / "file" / "s")})
    with pytest.raises(RunnerError) as caught:
        place.make()
    assert str(caught.value) == (
        f"the state directory {tmp_path}/file/s cannot be made: Not a directory "
        "(name another with RUNNER_STATE_DIR)"
    )


def test_a_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunnerError) as caught:
        find_files("nowhere.yaml", {})
    assert str(caught.value) == "there is no file nowhere.yaml (give its path with -f FILE)"


def test_the_order_in_which_a_file_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("jobs.yaml", "env.yaml", "given.yaml"):
        (tmp_path / name).write_text("")
    assert find_files(None, {}) == (tmp_path / "jobs.yaml",)
    assert find_files(None, {"RUNNER_FILE": "env.yaml"}) == (tmp_path / "env.yaml",)
    assert find_files("given.yaml", {"RUNNER_FILE": "env.yaml"}) == (tmp_path / "given.yaml",)
    several = find_files("given.yaml:env.yaml", {})
    assert several == (tmp_path / "given.yaml", tmp_path / "env.yaml")


@pytest.mark.parametrize("depth", [0, 12])
def test_a_knock_on_the_control_socket_is_heard(tmp_path: Path, depth: int) -> None:
    directory = tmp_path.joinpath(*["a-rather-long-name"] * depth)
    directory.mkdir(parents=True, exist_ok=True)
    heard = threading.Event()
    control = Control(directory / "control.sock", heard.set)
    control.open()
    assert (directory / "control.sock").stat().st_mode & 0o777 == 0o600
    assert knock(directory / "control.sock")
    assert heard.wait(PATIENCE)
    control.close()
    assert not os.path.exists(directory / "control.sock")
    assert not knock(directory / "control.sock")


@pytest.mark.parametrize("name", ["50%41", "what?x=1", "a#b", "two words"])
def test_the_database_lies_in_the_state_directory_whatever_its_name(tmp_path: Path, name: str) -> None:
    place = Place.of(tmp_path / "jobs.yaml", {"RUNNER_STATE_DIR": str(tmp_path / name)})
    assert file_of(place.url) == tmp_path / name / "runner.db"
    assert place.mark == tmp_path / name / "runner.db.mark"
