"""Every way people and tools write a file is seen, with real files and real events."""

from __future__ import annotations

import os
import queue
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.service.watch import Watcher, fingerprint
from tests.waiting import PATIENCE


class Seen:
    def __init__(self, file: Path) -> None:
        self.file = file
        self.contents: queue.Queue[str] = queue.Queue()
        self.watcher = Watcher(lambda: [file], self._changed)
        self.watcher.open()

    def _changed(self) -> None:
        self.contents.put(self.file.read_text() if self.file.exists() else "(missing)")

    def wait_for(self, content: str) -> None:
        while self.contents.get(timeout=PATIENCE) != content:
            pass


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[Seen]:
    file = tmp_path / "jobs.yaml"
    file.write_text("one")
    seen = Seen(file)
    yield seen
    seen.watcher.close()


def test_saved_in_place(seen: Seen) -> None:
    seen.file.write_text("two")
    seen.wait_for("two")


def replace(file: Path, text: str) -> None:
    other = file.with_name("jobs.yaml.new")
    other.write_text(text)
    os.replace(other, file)


def test_replaced_by_rename_again_and_again(seen: Seen) -> None:
    for number in range(20):
        replace(seen.file, f"edit {number}")
    seen.wait_for("edit 19")


def test_deleted_and_created_again(seen: Seen) -> None:
    seen.file.unlink()
    seen.wait_for("(missing)")
    seen.file.write_text("back")
    seen.wait_for("back")


def test_a_config_map_swaps_a_link_beside_the_link(tmp_path: Path) -> None:
    for version in ("a", "b"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "jobs.yaml").write_text(version)
    (tmp_path / "..data").symlink_to("a")
    file = tmp_path / "jobs.yaml"
    file.symlink_to("..data/jobs.yaml")
    seen = Seen(file)
    (tmp_path / "..data_tmp").symlink_to("b")
    os.replace(tmp_path / "..data_tmp", tmp_path / "..data")
    seen.wait_for("b")
    seen.watcher.close()


def test_a_link_to_a_file_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "linked").mkdir()
    (tmp_path / "real" / "jobs.yaml").write_text("one")
    (tmp_path / "linked" / "jobs.yaml").symlink_to(tmp_path / "real" / "jobs.yaml")
    seen = Seen(tmp_path / "linked" / "jobs.yaml")
    (tmp_path / "real" / "jobs.yaml").write_text("two")
    seen.wait_for("two")
    seen.watcher.close()


def test_git_checkout_between_branches(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    file = tmp_path / "jobs.yaml"
    file.write_text("on main")
    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-qm", "one")
    git("checkout", "-qb", "other")
    file.write_text("on other")
    git("commit", "-qam", "two")
    seen = Seen(file)
    git("checkout", "-q", "main")
    seen.wait_for("on main")
    seen.watcher.close()


def test_writing_the_same_again_is_no_change(seen: Seen) -> None:
    # As a whole: what is written in place is empty for an instant, which is another content.
    replace(seen.file, "one")
    replace(seen.file, "two")
    seen.wait_for("two")
    assert seen.contents.empty()


def test_the_fingerprint_tells_missing_from_empty(tmp_path: Path) -> None:
    file = tmp_path / "f"
    missing = fingerprint([file])
    file.write_text("")
    assert fingerprint([file]) != missing


def test_a_file_named_twice_is_one_file(tmp_path: Path) -> None:
    """The list grows by the files in which an edit is broken: they are no other files for that."""
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text("jobs: {")
    two.write_text("jobs: {}")
    assert fingerprint([one, two, one]) == fingerprint([one, two])
    assert fingerprint([one, two]) != fingerprint([one])
