"""What is no plain file is told at once, and nobody waits for it; and a TZ that names no zone."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from runner import config
from runner.errors import ConfigError
from runner.service.place import NoJobsFile, find_files
from runner.service.watch import fingerprint

HINT = "  = help: write it to a file first: it is read more than once"


def told(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    return str(caught.value).replace(f"{path.parent}/", "")


def test_a_pipe_that_nobody_writes_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "jobs.yaml")
    said = told(tmp_path / "jobs.yaml")
    fact = "error[file]: the file cannot be read: it is a pipe, not a file"
    assert said == f"{fact}\n  --> jobs.yaml\n{HINT}\n\n1 problem in jobs.yaml"
    assert fingerprint([tmp_path / "jobs.yaml"]) == fingerprint([tmp_path / "jobs.yaml"])


def test_an_included_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "more.yaml")
    file = tmp_path / "jobs.yaml"
    file.write_text("include: more.yaml\njobs:\n  a: {run: echo}\n")
    assert "error[file]: the file cannot be read: it is a pipe, not a file\n  --> more.yaml" in told(file)
    file.write_text("include: '*.yaml'\njobs:\n  a: {run: echo}\n")
    assert [spec.id for spec in config.load(file).jobs] == ["a"]


def test_a_calendar_that_is_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "days.ics")
    file = tmp_path / "jobs.yaml"
    file.write_text("calendars: {off: {ics: days.ics}}\njobs:\n  a: {run: echo}\n")
    assert "days.ics cannot be read: it is a pipe, not a file" in told(file)


def test_a_device_and_a_socket(tmp_path: Path) -> None:
    assert "the file cannot be read: it is a device, not a file" in told(Path("/dev/zero"))
    assert "the file is empty" in told(Path("/dev/null"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        assert "the file cannot be read: it is a socket, not a file" in told(tmp_path / "s")


def test_what_stands_in_the_place_of_the_file_is_told_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NoJobsFile):
        find_files(None, {})
    (tmp_path / "jobs.yaml").mkdir()
    assert find_files(None, {}) == (tmp_path / "jobs.yaml",)
    assert "the directory holds no *.yaml file" in told(tmp_path / "jobs.yaml")


@pytest.mark.parametrize(
    ("given", "zone", "warned"),
    [
        ("Europe/Oslo", "Europe/Oslo", False),
        (":Europe/Oslo", "Europe/Oslo", False),
        ("EST5EDT", "EST5EDT", False),
        ("UTC", "UTC", False),
        ("Mars/Olympus", "", True),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "", True),
        (":/nowhere/zone", "", True),
    ],
)
def test_a_variable_that_names_no_zone_is_warned_of(
    given: str, zone: str, warned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "jobs.yaml"
    file.write_text("jobs:\n  a: {run: echo, timeout: 1h}\n")
    monkeypatch.delenv("TZ", raising=False)
    machine = config.load(file).timezone
    monkeypatch.setenv("TZ", given)
    loaded = config.load(file)
    assert loaded.timezone == (zone or machine)
    said = [str(each).replace(f"{tmp_path}/", "") for each in loaded.warnings if each.kind == "timezone"]
    fact = f"the environment variable TZ names no time zone: {given}; {machine} is used"
    help = "set TZ=Europe/Berlin, or write `timezone:` in `defaults`"
    assert said == ([f"warning[timezone]: {fact}\n  --> jobs.yaml\n  = help: {help}"] if warned else [])
