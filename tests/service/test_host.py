"""The name of a host: the same after a restart, and never that of another computer."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import stat
from pathlib import Path

import pytest

from runner.service import host
from runner.service.host import Host


@pytest.fixture
def state(tmp_path: Path) -> Path:
    path = tmp_path / "state"
    path.mkdir(mode=0o700)
    return path


def test_it_is_the_same_after_a_restart(state: Path) -> None:
    first = Host(state)
    assert first.take()
    assert first.name.startswith(f"{socket.gethostname()}/")
    assert Host(state).name == first.name
    first.give()
    assert Host(state).name == first.name
    assert {path.name: path.stat().st_mode & 0o777 for path in state.iterdir()} == {
        "host.id": 0o600,
        "host.lock": 0o600,
    }


def test_another_computer_of_the_same_name_with_the_same_path_has_another(state: Path) -> None:
    """As two machines made from one image are: what one of them runs, the other would call never begun."""
    first = Host(state).name
    shutil.rmtree(state)
    state.mkdir()
    assert Host(state).name != first


def test_a_copy_of_the_state_directory_on_another_computer_has_another(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = tmp_path / "machine-id"
    machine.write_text("one\n")
    monkeypatch.setattr(host, "MACHINE", machine)
    first = Host(state).name
    machine.write_text("two\n")
    assert Host(state).name != first
    machine.unlink()
    assert Host(state).name not in (first, "")


def test_a_directory_that_was_used_before_keeps_its_name(state: Path) -> None:
    """Attempts that are under way as the runner is replaced by a newer one bear it."""
    (state / "host.lock").touch(0o600)
    name = Host(state).name
    assert Host(state).name == name
    assert not (state / "host.id").exists()
    shutil.rmtree(state)
    state.mkdir()
    (state / "host.lock").touch(0o600)
    assert Host(state).name == name


def test_it_is_the_same_where_a_directory_cannot_be_synced(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    name = Host(state).name
    assert Host(state).name == name
