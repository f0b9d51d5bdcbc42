"""`runner doctor`: the state directory, and what jobs need: programs, directories, users, env files, secrets, limits."""

# ruff: noqa: E501 - whole texts

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.clock import SystemClock
from runner.doctor import Case, Finding
from runner.doctor.database import settled
from runner.doctor.examine import bounded
from runner.doctor.finding import size
from runner.doctor.systemd import judged, unit_of
from runner.errors import StoreError
from runner.executors.limits import permitted
from runner.service.place import Place as Where
from tests.cli.examined import NOBODY, examined
from tests.cli.verb_place import Place

DEFAULTS = "defaults: {timeout: 1h, timezone: UTC}\n"


@pytest.fixture
def state(place: Place) -> Path:
    place.write(f"{DEFAULTS}jobs: {{hello: {{schedule: every 1h, run: echo}}}}\n")
    made = place.directory / "state"
    made.mkdir(mode=0o700)
    return made


def test_a_state_directory_that_others_may_read(place: Place, state: Path) -> None:
    state.chmod(0o755)
    assert examined(place, "state directory", code=0) == (
        "note state directory: others than its owner may look into DIR/state (mode 0755): output of jobs lies there\n"
        "  help: chmod 700 DIR/state; a start of the runner does so as well"
    )


def test_a_state_directory_that_is_none(place: Place, state: Path) -> None:
    state.rmdir()
    state.write_text("")
    assert "problem state directory: DIR/state is no directory\n" in examined(place, code=1)


def test_a_state_directory_of_somebody_else(place: Place, state: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(state, 65534, 65534)
    (state / "host.lock").touch()
    assert examined(place, "state directory", code=1) == (
        "note state directory: DIR/state belongs to nobody, who cannot read what root writes there; run as nobody\n"
        "  help: look as that user too: sudo -u nobody runner doctor\n"
        "problem state directory: in DIR/state not all belongs to nobody: host.lock; somebody else ran something there\n"
        "  help: chown -R nobody DIR/state"
    )


def test_a_state_directory_of_another_machine(place: Place, state: Path) -> None:
    note = (
        '{"pid": 1, "host": "elsewhere", "since": "2026-01-01T10:00:00+00:00", "file": "/x", "version": "1"}'
    )
    (state / "leader.json").write_text(note)
    said = examined(place, "state directory", code=0)
    assert said.startswith("note state directory: process 1 on elsewhere, since TIME led from DIR/state, ")


def test_what_commands_need_and_is_not_there(place: Place) -> None:
    place.write(
        f"""\
{DEFAULTS}
jobs:
  shell: {{shell: [no-such-shell, -c], run: x}}
  argv: {{command: [./no-such-tool], working_dir: nowhere}}
  path: {{command: [sh, -c, ls], env: {{PATH: /nowhere}}}}
  late: {{params: {{p: {{}}}}, command: [sh, -c, ls], working_dir: "${{{{ params.p }}}}", env: {{PATH: "${{{{ params.p }}}}"}}}}
  other: {{run: x, user: no-such-user}}
  off: {{command: [no-such-tool], working_dir: nowhere-else, enabled: false}}
  files: {{run: x, env_file: [good.env, no.env?]}}
"""
    )
    place.write("A=1\n", "good.env").chmod(0o600)
    place.environ["PATH"] = os.environ["PATH"]
    assert examined(place, "commands", "directories", "users", "env files", code=1) == (
        "problem commands: there is no program no-such-shell for shell\n"
        f"  help: install it, or mend PATH: {os.environ['PATH']} (this shell's; a service may have another)\n"
        "problem commands: there is no program ./no-such-tool for argv\n"
        "  help: it is looked for in DIR/nowhere\n"
        "problem commands: there is no program sh for path\n"
        "  help: install it, or mend PATH: /nowhere\n"
        "problem directories: the working directory DIR/nowhere does not exist, for argv\n"
        "  help: make it, or change working_dir\n"
        "problem users: there is no user no-such-user on this machine, for other\n"
        "ok env files: 2 files: can be read, and by nobody else"
    )


def test_what_commands_need_and_is_there(place: Place) -> None:
    place.write(
        f"{DEFAULTS}jobs: {{a: {{run: x, working_dir: /tmp, user: '{os.geteuid()}', env_file: a.env}}}}\n"
    )
    place.write("A=1\n", "a.env").chmod(0o644)
    assert examined(place, "commands", "directories", "users", "env files", code=0) == (
        "ok commands: sh: found\n"
        "ok directories: 1 working directory: there\n"
        f"ok users: {os.geteuid()}: commands can be run as them\n"
        "note env files: every user of this machine may read DIR/a.env (mode 0644)\n"
        "  help: chmod 600 DIR/a.env"
    )


def test_secrets_are_looked_up_and_never_shown(place: Place) -> None:
    place.write(
        f"""\
{DEFAULTS}
secrets:
  file: {{file: key}}
  gone: {{file: gone}}
  env: {{env: OUR_TOKEN}}
  unset: {{env: NO_TOKEN}}
  asked: {{command: [touch, asked]}}
jobs: {{a: {{run: echo}}}}
"""
    )
    place.write("hidden-one\n", "key").chmod(0o644)
    place.environ["OUR_TOKEN"] = "hidden-two"
    assert "hidden" not in place.call("doctor", code=1).stdout
    assert not (place.directory / "asked").exists()
    assert examined(place, "secrets", code=1) == (
        "problem secrets: secrets.gone: DIR/gone cannot be read: no such file or directory\n"
        "  help: a relative path begins beside the configuration\n"
        "note secrets: secrets.unset: the environment has no NO_TOKEN\n"
        "  help: set it before the runner starts, or use {file: PATH} or {command: [...]}; this shell's environment was "
        "looked at, and a service may have another\n"
        "note secrets: every user of this machine may read DIR/key (mode 0644)\n"
        "  help: chmod 600 DIR/key"
    )


def test_limits_are_only_spoken_of_where_a_job_has_some(place: Place) -> None:
    place.write(f"{DEFAULTS}jobs: {{a: {{run: echo}}}}\n")
    assert examined(place, "limits", code=0) == ""
    place.write(f"{DEFAULTS}jobs: {{a: {{run: echo, limits: {{memory: 1G}}}}}}\n")
    said = examined(place, "limits", code=0)
    if permitted(None):
        assert said == "ok limits: enforced by control groups, for a"
    else:
        assert said == (
            "note limits: of a: as this shell stands, no control group (cgroup v2) may be made here; cpus and pids are "
            "not enforced, memory bounds each process by itself\n"
            "  help: a systemd unit with Delegate=yes may make them; so may a container with a control group of its own "
            "to write"
        )


def test_more_workers_than_files_may_be_open(place: Place) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    place.write(f"{DEFAULTS}executors: {{default: {{max_workers: 5000}}}}\njobs: {{a: {{run: echo}}}}\n")
    assert f"{hard:,} may be open, enough for " in examined(place, "open files", code=1).replace(
        "any number of", f"{hard:,}"
    )


def test_a_name_with_control_characters_reaches_no_terminal(place: Place) -> None:
    place.write(f'{DEFAULTS}jobs: {{a: {{run: echo, working_dir: "no\\x1b[31m"}}}}\n')
    said = place.call("doctor", code=1).stdout
    assert "\x1b" not in said
    assert "no\\x1b[31m does not exist, for a" in said


def case() -> Case:
    clock = SystemClock()
    return Case(
        Where(Path("/nowhere/jobs.yaml"), Path("/nowhere"), "sqlite:////nowhere/x"), {}, clock, clock.now()
    )


def test_each_check_fails_alone() -> None:
    def broken(_: Case) -> Iterator[Finding]:
        yield Finding("ok", "x", "the first")
        raise KeyError("oh")

    def refused(_: Case) -> Iterator[Finding]:
        yield from ()
        raise StoreError("it is so", hint="do that")

    assert bounded("x", broken, case(), 30) == [
        Finding("ok", "x", "the first"),
        Finding("problem", "x", "this could not be looked at: KeyError: 'oh'",
                "that is a fault of the runner; the other findings stand without it"),
    ]  # fmt: skip
    assert bounded("x", refused, case(), 30) == [Finding("problem", "x", "it is so", "do that")]


def test_a_file_that_changes_while_it_is_read_is_read_once_more(tmp_path: Path) -> None:
    """A runner began or ended just then."""
    file, begun = tmp_path / "x.db", [1, 2]

    def read() -> str:
        if begun.pop():
            with file.open("a") as grown:
                grown.write("x")
            raise StoreError("half of it")
        return "good"

    with pytest.raises(StoreError):
        settled(f"sqlite:///{file}", read, bool)
    begun[:] = [0, 1]
    assert settled(f"sqlite:///{file}", read, bool) == "good"


def test_a_check_that_hangs_is_given_up() -> None:
    over = threading.Event()

    def hangs(_: Case) -> Iterator[Finding]:
        over.wait()
        yield Finding("ok", "x", "too late")

    assert bounded("x", hangs, case(), 0.01) == [
        Finding(
            "problem",
            "x",
            "no answer within 0.01 s",
            "a disk or a server is silent, or the machine is overloaded",
        )
    ]
    over.set()


def test_the_unit_of_a_process() -> None:
    assert unit_of("0::/system.slice/runner.service/runner\n") == "runner.service"
    assert unit_of("0::/user.slice/user-0.slice/session-3.scope\n") is None
    assert unit_of("0::/user.slice/user-0.slice/user@0.service/app.slice/r.service\n") == "r.service"
    assert unit_of("0::/user.slice/user-0.slice/user@0.service/app.slice/x.scope\n") is None
    assert unit_of("1:name=systemd:/system.slice/a.service\n0::/\n") == "a.service"


def test_what_a_unit_should_say_otherwise() -> None:
    good = {"KillMode": "process", "Restart": "always", "WatchdogUSec": "1min 30s", "Delegate": "yes"}
    assert list(judged("r.service", good)) == []
    usual = {"KillMode": "control-group", "Restart": "no", "WatchdogUSec": "0", "Delegate": "no"}
    assert [(each.level, each.fact, each.help) for each in judged("r.service", usual)] == [
        ("note", "r.service has KillMode=control-group: a stop or a restart of it kills the commands under way",
         "write KillMode=process, and the next runner takes them over"),
        ("note", "r.service has Restart=no: after a crash nobody starts it", "write Restart=always"),
        ("note", "r.service has no WatchdogSec: systemd does not see that it hangs (the runner watches itself)",
         "write Type=notify and WatchdogSec=90"),
        ("note", "r.service has Delegate=no: `limits` of jobs are only enforced in part", "write Delegate=yes"),
    ]  # fmt: skip


def test_bytes_as_people_say_them() -> None:
    assert [size(number) for number in (0, 812, 1536, 300 << 20, 5 << 40)] == [
        "0 B",
        "812 B",
        "1.5 KiB",
        "300 MiB",
        "5.0 TiB",
    ]


def test_nobody_serves(place: Place, state: Path) -> None:
    assert examined(place, "runner", code=0) == NOBODY
