"""What docs/deploying.md shows is real: its YAML loads, its verbs are there, its unit is one systemd takes."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from runner import config
from runner.cli import group
from tests.cli.examined import shown
from tests.cli.verb_place import Place

PAGE = Path(__file__).parents[2] / "docs" / "deploying.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_its_yaml_loads(tmp_path: Path) -> None:
    for number, text in enumerate(blocks("yaml")):
        file = tmp_path / f"jobs{number}.yaml"
        file.write_text(text)
        loaded = config.load(file)
        assert loaded.heartbeat is not None
        assert loaded.heartbeat.every == 60_000_000
    assert blocks("yaml")


def test_what_it_shows_of_a_doctor_is_what_one_says(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.write(
        "channels: {ops: {urls: ['log://']}}\n"
        "defaults: {timeout: 1h, timezone: UTC, notify: {on_failure: ops}}\n"
        "jobs: {backup: {run: ./backup, working_dir: srv}, hello: {run: 'true'}}\n"
    )
    place.call("run", "hello")
    (tmp_path / "state" / "runner.db").unlink()
    said = f"$ runner doctor -q\n{shown(place, '-q', code=1)}"
    for here, there in (
        ("state", "/var/lib/runner"),
        ("jobs.yaml", "/etc/runner/jobs.yaml"),
        ("srv", "/srv/backup"),
    ):
        said = said.replace(f"DIR/{here}", there)
    (written,) = blocks("console")
    moment = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    assert re.sub(moment, "TIME", said) == re.sub(moment, "TIME", written)


def test_its_verbs_are_there() -> None:
    text = PAGE.read_text()
    verbs = {tuple(found.split()) for found in re.findall(r"runner (db [a-z]+|status|serve|doctor)", text)}
    assert ("db", "restore") in verbs
    for words in verbs:
        assert CliRunner().invoke(group, [*words, "--help"]).exit_code == 0, words


def test_its_unit_is_one_systemd_takes(tmp_path: Path) -> None:
    (text,) = blocks("ini")
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "runner.service"
    unit.write_text(text.replace("/opt/runner/bin/runner", "/bin/true").replace("User=runner\n", ""))
    done = subprocess.run([program, "verify", "--man=no", unit], capture_output=True, text=True, timeout=60)
    about = [line for line in (done.stdout + done.stderr).splitlines() if "runner.service" in line]
    assert about == []
