"""A crontab as a jobs file: what cron would do, and what is said of lines that cannot be taken over."""

from __future__ import annotations

import getpass
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runner import config
from runner.cli import main
from runner.cli.import_crontab import home_of, owner_of
from runner.config.crontabs import as_yaml, read
from runner.spec import Command, JobSpec

CRONTAB = r"""
SHELL=/bin/bash
PATH="/usr/local/bin:/usr/bin:/bin"
MAILTO=ops@example.com
# nightly backup
0 2 * * * /srv/backup.sh --date=$(date +\%F) > /tmp/b.log 2>&1
@reboot /usr/bin/starter --now
@daily mail -s hi bob%Hello%100\% sure
GREETING = 'good day'
*/5 * * * 1-5 FOO=bar /srv/backup.sh; echo ${{x}}
MAILTO=""
0 0 1,15 * 5  echo "a # is no comment here"
this is no job
61 * * * * nothing
"""


def jobs_of(text: str, tmp_path: Path, **options: Any) -> dict[str, JobSpec]:
    file = tmp_path / "jobs.yaml"
    file.write_text(as_yaml(read(text, **options)))
    return {spec.id: spec for spec in config.load(file).jobs}


def script(spec: JobSpec) -> str:
    work = spec.steps[0].work
    assert isinstance(work, Command)
    assert work.script is not None
    return work.script


def test_the_zone_of_the_schedules_and_the_variable_of_the_commands(tmp_path: Path) -> None:
    """CRON_TZ is cron's clock. TZ is handed to the commands, and cron starts them by its own."""
    both = "CRON_TZ=Europe/Oslo\nTZ=Asia/Tokyo\n0 2 * * * a\n0 3 * * * b\n"
    jobs = jobs_of(both, tmp_path)
    assert [(spec.timezone, dict(spec.env)["TZ"]) for spec in jobs.values()] == [
        ("Europe/Oslo", "Asia/Tokyo")
    ] * 2
    here = jobs_of("0 2 * * * a\n", tmp_path)["a"].timezone
    later = jobs_of("TZ=Asia/Tokyo\n0 2 * * * a\nCRON_TZ=Europe/Oslo\n0 3 * * * b\n", tmp_path)
    assert {id: spec.timezone for id, spec in later.items()} == {"a": here, "b": "Europe/Oslo"}


def test_a_job_is_called_by_its_program_and_not_by_its_directory(tmp_path: Path) -> None:
    jobs = jobs_of(
        "@daily cd /srv/x && ./rotate.sh all\n@daily cd /tmp; A=1 sweep\n@daily cd /tmp\n", tmp_path
    )
    assert list(jobs) == ["rotate", "sweep", "cd"]


def test_what_cron_would_do(tmp_path: Path) -> None:
    jobs = jobs_of(CRONTAB, tmp_path)
    assert list(jobs) == ["backup", "mail", "backup-2", "echo"]
    assert {id: spec.schedule for id, spec in jobs.items()} == {
        "backup": "0 2 * * *",
        "mail": "@daily",
        "backup-2": "*/5 * * * 1-5",
        "echo": "0 0 1,15 * 5",
    }
    assert script(jobs["backup"]) == "/srv/backup.sh --date=$(date +%F) > /tmp/b.log 2>&1"
    assert script(jobs["echo"]) == 'echo "a # is no comment here"'
    assert jobs["backup"].env["PATH"] == "/usr/local/bin:/usr/bin:/bin"
    assert [("GREETING" in spec.env) for spec in jobs.values()] == [False, False, True, True]
    assert jobs["echo"].env["GREETING"] == "good day"
    assert [bool(spec.notify.on_failure) for spec in jobs.values()] == [True, True, True, False]
    work = jobs["backup"].steps[0].work
    assert isinstance(work, Command)
    assert work.shell[0] == "/bin/bash"


def test_percent_signs_are_lines_of_stdin(tmp_path: Path) -> None:
    jobs = jobs_of(r"* * * * * cat%first%50\% of it%%last", tmp_path)
    done = subprocess.run(["sh", "-c", script(jobs["cat"])], capture_output=True, text=True, check=True)
    assert done.stdout == "first\n50% of it\n\nlast\n"


def test_commands_begin_in_the_home_directory(tmp_path: Path) -> None:
    """As cron's do: a path in a command is relative to it, and not to where the jobs file lies."""
    text = "0 2 * * * ./backup\n0 3 * * * ./other\n"
    file = tmp_path / "jobs.yaml"

    def places(text: str, **options: Any) -> list[str]:
        file.write_text(as_yaml(read(text, **options), homes={"": "/home/kari", "root": "/root"}))
        return [
            str(work.working_dir)
            for spec in config.load(file).jobs
            if isinstance(work := spec.steps[0].work, Command)
        ]

    assert places(text) == ["/home/kari", "/home/kari"]
    assert places("HOME=/srv\n" + text) == ["/srv", "/srv"]
    assert places("0 1 * * * ./a\nHOME=/srv\n0 2 * * * ./b\n") == ["/home/kari", "/srv"]
    assert places("0 1 * * * root ./a\n0 1 * * * gone ./b\n", system=True) == ["/root", "None"]
    assert (home_of("root"), home_of("nobody-of-that-name")) == ("/root", "")


def test_another_users_crontab_runs_as_that_user(tmp_path: Path) -> None:
    assert owner_of("/var/spool/cron/crontabs/kari") == "kari"
    assert owner_of(f"/var/spool/cron/crontabs/{getpass.getuser()}") == ""
    assert (owner_of("-"), owner_of("/home/kari/crontab")) == ("", "")
    file = tmp_path / "jobs.yaml"
    file.write_text(as_yaml(read("0 2 * * * ./backup", user="kari"), homes={"kari": "/home/kari"}))
    (spec,) = config.load(file).jobs
    work = spec.steps[0].work
    assert isinstance(work, Command)
    assert (work.user, work.working_dir) == ("kari", "/home/kari")


def test_what_would_be_an_expression_stays_text(tmp_path: Path) -> None:
    jobs = jobs_of("* * * * * echo '${{ secrets.x }}'", tmp_path)
    assert "${{ '${{' }}" in script(jobs["echo"])


def test_lines_that_cannot_be_taken_over_are_named(tmp_path: Path) -> None:
    found = read(CRONTAB)
    said = dict(found.notes)
    assert sorted(said) == [7, 13, 14]
    assert "@reboot is no time" in said[7]
    assert "/usr/bin/starter --now" in said[7]
    assert "this is no job" in said[13]
    assert '"61" has 61, out of range' in said[14]
    text = as_yaml(found)
    assert "# line 7: @reboot" in text


def test_a_system_crontab_names_users(tmp_path: Path) -> None:
    jobs = jobs_of("17 * * * * nobody run-parts /etc/cron.hourly\n", tmp_path, system=True)
    work = jobs["run-parts"].steps[0].work
    assert isinstance(work, Command)
    assert (work.user, work.script) == ("nobody", "run-parts /etc/cron.hourly")


def test_the_command_writes_a_file_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    crontab, out = tmp_path / "crontab", tmp_path / "jobs.yaml"
    crontab.write_text("0 5 * * * echo good morning\n@reboot starter\n")
    args = ["import", "crontab", str(crontab), "-o", str(out)]
    with pytest.raises(SystemExit) as left:
        main(args)
    assert left.value.code == 0
    assert f"{crontab}:2: @reboot is no time" in capsys.readouterr().err
    assert [spec.id for spec in config.load(out).jobs] == ["echo"]
    with pytest.raises(SystemExit) as left:
        main(args)
    assert left.value.code == 1
    assert "is there already" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*args[:3], "--json"])
    document = json.loads(capsys.readouterr().out)
    assert document["jobs"] == 1
    assert document["notes"][0]["line"] == 2


def test_a_job_taken_over_runs(tmp_path: Path) -> None:
    file = tmp_path / "jobs.yaml"
    tool = tmp_path / "tool.sh"
    tool.write_text('#!/bin/sh\nread line\necho "$GREETING $line"\n')
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    file.write_text(as_yaml(read(f"GREETING=hello\n0 5 * * * {tool}%world\n")))
    environ = {**os.environ, "RUNNER_STATE_DIR": str(tmp_path / "state")}
    done = subprocess.run(
        [sys.executable, "-m", "runner", "run", "tool", "-f", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environ,
    )
    assert done.returncode == 0, done.stderr
    assert "hello world" in done.stdout + done.stderr


def test_a_line_that_can_never_run_does_not_keep_the_others_from_running(tmp_path: Path) -> None:
    text = "0 0 31 2 * ./never\n0 0 1 * * ./first\n"
    assert "can never fire" in dict(read(text).notes)[1]
    assert list(jobs_of(text, tmp_path)) == ["first"]
