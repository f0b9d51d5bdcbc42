"""A file of yacron as a jobs file: what yacron would do, and what is said of keys that have no place here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runner import config
from runner.cli import main
from runner.config.yacron import as_yaml, read
from runner.errors import RunnerError
from runner.moment import DAY, HOUR, SECOND, iso, parse_iso
from runner.spec import Command, JobSpec
from runner.triggers.explain import following

YACRON = """
defaults:
  shell: /bin/bash
  environment:
    - {key: LANG, value: C.UTF-8}
  onFailure:
    retry: {maximumRetries: 3, initialDelay: 1, maximumDelay: 30, backoffMultiplier: 2}
jobs:
  - name: Nightly dump
    command: |
      echo "on ${{ HOST }}"
      dump --all
    schedule: "0 2 * * *"
    timezone: Europe/Oslo
    environment:
      - {key: TARGET, value: /srv/dump}
    concurrencyPolicy: Forbid
    executionTimeout: 90.5
    killTimeout: 5
    captureStdout: true
    failsWhen: {producesStdout: false, producesStderr: true}
    onFailure:
      report: {mail: {to: a@example.com, from: b@example.com}}
    statsd: {host: h, port: 8125, prefix: p}
  - name: poll
    command: [curl, "-f", "http://localhost/on"]
    schedule: {minute: "*/5", dayOfWeek: "1-5"}
    onFailure:
      retry: {maximumRetries: 0, initialDelay: 1, maximumDelay: 1, backoffMultiplier: 1}
    enabled: no
  - name: each second
    command: tick
    schedule: "*/10 * * * * * *"
    concurrencyPolicy: Replace
    utc: false
  - name: poll
    command: "true"
    schedule: "@daily"
  - {name: boot, command: x, schedule: "@reboot"}
  - {name: once, command: x, schedule: "0 0 1 1 * 2030"}
  - {name: wrong, command: x, schedule: "61 * * * *"}
web:
  listen: ["http://127.0.0.1:8080"]
"""


def jobs_of(text: str, tmp_path: Path) -> dict[str, JobSpec]:
    file = tmp_path / "jobs.yaml"
    file.write_text(as_yaml(read(text), name="yacron.yaml"))
    return {spec.id: spec for spec in config.load(file).jobs}


def work(spec: JobSpec) -> Command:
    found = spec.steps[0].work
    assert isinstance(found, Command)
    return found


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(args))
    assert isinstance(left.value.code, int)
    return left.value.code


def test_what_yacron_would_do(tmp_path: Path) -> None:
    jobs = jobs_of(YACRON, tmp_path)
    assert {id: (spec.schedule, spec.policy.concurrency.overlap) for id, spec in jobs.items()} == {
        "nightly-dump": ("0 2 * * *", "skip"),
        "poll": ("*/5 * * * 1-5", "allow"),
        "each-second": ("*/10 * * * * *", "replace"),
        "poll-2": ("@daily", "allow"),
    }
    nightly = jobs["nightly-dump"]
    assert nightly.title == "Nightly dump"
    assert work(nightly).shell[0] == "/bin/bash"
    assert work(nightly).stop_grace == 5 * SECOND
    assert nightly.policy.timeout == round(90.5 * SECOND)
    assert work(nightly).script == "echo \"on ${{ '${{' }} HOST }}\"\ndump --all\n"
    assert dict(nightly.env) == {"LANG": "C.UTF-8", "TARGET": "/srv/dump"}
    retry = nightly.steps[0].retry
    assert (retry.max, retry.delay, retry.backoff, retry.max_delay) == (3, SECOND, 2, 30 * SECOND)
    assert work(jobs["poll"]).argv == ("curl", "-f", "http://localhost/on")
    assert jobs["poll"].steps[0].retry.max == 0
    assert not jobs["poll"].enabled
    assert [jobs[id].timezone for id in ("nightly-dump", "poll", "poll-2")] == ["Europe/Oslo", "UTC", "UTC"]


BOTH_DAYS = """
jobs:
  - {name: first-sunday, command: x, schedule: "0 0 1-7 * 0"}
  - {name: friday-13, command: x, schedule: "0 0 13 * fri"}
  - {name: workday, command: x, schedule: {dayOfMonth: "1,15", dayOfWeek: "1-5", hour: "3", minute: "0"}}
  - {name: uneven-monday, command: x, schedule: "0 0 */2 * mon"}
  - {name: any, command: x, schedule: "0 0 1 * 0-6"}
"""


def test_of_two_day_fields_both_must_be_met(tmp_path: Path) -> None:
    """For yacron, as for its library of crontab lines; a crontab takes either."""
    jobs = jobs_of(BOTH_DAYS, tmp_path)
    start = parse_iso("2026-11-26T00:00Z")

    def coming(id: str) -> list[str]:
        trigger = jobs[id].trigger
        assert trigger is not None
        return [iso(at)[:16] for at in following(trigger, start, 3)]

    assert {id: coming(id) for id in jobs} == {
        "first-sunday": ["2026-12-06T00:00", "2027-01-03T00:00", "2027-02-07T00:00"],
        "friday-13": ["2027-08-13T00:00", "2028-10-13T00:00", "2029-04-13T00:00"],
        "workday": ["2026-12-01T03:00", "2026-12-15T03:00", "2027-01-01T03:00"],
        "uneven-monday": ["2026-12-07T00:00", "2026-12-21T00:00", "2027-01-11T00:00"],
        "any": ["2026-12-01T00:00", "2027-01-01T00:00", "2027-02-01T00:00"],
    }


CRONSTABLE = """
pools: {db: {slots: 2}}
jobs:
  - name: load
    command: ./load
    schedule: {second: "30", minute: "5"}
    workingDirectory: /srv
    pool: db
    queuePriority: 3
    concurrencyPolicy: Forbid
    onMissed: run-all
    startingDeadlineSeconds: 3600
    sla: {lateAfterSeconds: 60, maxRuntimeSeconds: 120, maxTimeSinceSuccessSeconds: }
  - {name: lost, command: x, schedule: "@daily", onMissed: skip}
  - {name: once, command: x, schedule: "@daily", onMissed: run-once}
dags:
  - {name: etl, tasks: [{id: a, command: x}]}
"""


def test_what_cronstable_adds(tmp_path: Path) -> None:
    jobs = jobs_of(CRONSTABLE, tmp_path)
    load = jobs["load"]
    assert (load.schedule, work(load).working_dir) == ("30 5 * * * *", "/srv")
    policy = load.policy
    assert (policy.concurrency.overlap, policy.concurrency.group, policy.priority) == ("skip", "db", 3)
    assert (policy.catchup.runs, policy.catchup.window, policy.catchup.max) == ("all", HOUR, 10000)
    assert (policy.sla.start_within, policy.sla.max_duration) == (60 * SECOND, 120 * SECOND)
    assert [(jobs[id].policy.catchup.runs, jobs[id].policy.catchup.window) for id in ("lost", "once")] == [
        ("none", jobs["lost"].policy.catchup.window),
        ("latest", 365 * DAY),
    ]
    assert read(CRONSTABLE).notes == [
        ("", "`dags` is not taken over: each is a job with `steps`, where `dependsOn` is called `needs`")
    ]


REPORTS = """
defaults:
  onFailure: {report: {mail: {from: cron@x.example, to: "a@x.example, b@x.example", smtpHost: mx, smtpPort: 2525}}}
jobs:
  - {name: plain, command: x, schedule: "@daily"}
  - name: other
    command: x
    schedule: "@daily"
    onFailure: {report: {mail: {to: c@x.example, username: me@x, password: {value: "p:w"}, tls: yes}}}
    onPermanentFailure:
      report:
        mail: {from: cron@x.example, to: "a@x.example,b@x.example", smtpHost: mx, smtpPort: 2525, body: "{{stdout}}"}
        sentry: {dsn: {value: https://x}}
    onSuccess: {report: {mail: {from: f, to: t, smtpHost: mx, starttls: yes, username: u, password: {fromEnvVar: PW}}}}
  - name: last
    command: x
    schedule: "@daily"
    onSuccess: {report: {mail: {from: f, to: t, smtpHost: mx, starttls: yes, username: u, password: {fromEnvVar: PW}}}}
    onFailure: {report: {mail: {smtpHost: mx, smtpPort: many, username: u, password: {fromFile: /run/pw}}}}
"""


def test_mails_become_channels(tmp_path: Path) -> None:
    file, taken = tmp_path / "jobs.yaml", read(REPORTS)
    assert taken.secrets == {"mail_password": {"env": "PW"}}
    assert taken.channels == {
        "mail": "mailto://mx:2525?from=cron@x.example&to=a@x.example,b@x.example",
        "mail_2": "mailtos://me%40x:p%3Aw@mx:2525?from=cron@x.example&to=c@x.example&mode=ssl",
        "mail_3": "mailtos://u:${{ secrets.mail_password | urlencode }}@mx:25?from=f&to=t&mode=starttls",
    }
    file.write_text(as_yaml(taken, name="yacron.yaml"))
    jobs = {spec.id: spec.notify for spec in config.load(file).jobs}
    told = {
        id: [[name for rule in rules for name in rule.to] for rules in (notify.on_failure, notify.on_success)]
        for id, notify in jobs.items()
    }
    assert told == {
        "plain": [["mail"], []],
        "other": [["mail_2", "mail"], ["mail_3"]],
        "last": [[], ["mail_3"]],
    }
    assert taken.notes == [
        ("other", "the words of the mail of `onPermanentFailure` are not taken over: see `title` and `body`"),
        (
            "other",
            "`onPermanentFailure: {report: {sentry: ...}}` is not taken over: name a channel below `channels`, and "
            "`notify: {on_failure: CHANNEL}`",
        ),
        (
            "last",
            "the mail of `onFailure` is not taken over: it needs smtpHost, from, to, and a port that is a number",
        ),
    ]


def test_what_has_no_place_is_a_comment_and_a_note() -> None:
    taken = read(YACRON)
    text = as_yaml(taken, name="yacron.yaml")
    notes = dict.fromkeys(job for job, _ in taken.notes)
    assert list(notes) == ["", "Nightly dump", "boot", "once", "wrong"]
    assert "# `web` is not taken over: there is no network listener" in text
    assert "    # `statsd` is not taken over" in text
    assert (
        "    # the mail of `onFailure` is not taken over: it needs smtpHost, from, to, and a port that is a number"
        in text
    )
    assert "    # `failsWhen: {producesStderr: true}` is not taken over" in text
    assert "# boot: @reboot is no time" in text
    assert "# once: its schedule '0 0 1 1 * 2030' names a year" in text
    assert "# wrong: its schedule is not understood" in text


def test_a_retry_without_an_end_gets_one(tmp_path: Path) -> None:
    retry = "{maximumRetries: -1, initialDelay: 0.5, maximumDelay: 9, backoffMultiplier: 1}"
    text = f'jobs: [{{name: a, command: x, schedule: "* * * * *", onFailure: {{retry: {retry}}}}}]'
    assert jobs_of(text, tmp_path)["a"].steps[0].retry.max == 1000
    assert read(text).notes == [("a", "yacron tried it again for ever; here it is 1000 times")]


def test_a_value_that_is_not_understood_is_named() -> None:
    text = 'jobs: [{name: a, command: x, schedule: "* * * * *", executionTimeout: soon, environment: {A: b}}]'
    assert [note for _, note in read(text).notes] == [
        '`executionTimeout` is not understood, and not taken over: "soon"',
        '`environment` is not understood, and not taken over: {"A": "b"}',
    ]


@pytest.mark.parametrize("text", ["jobs: {a: {}}", "- a", "a: ["])
def test_another_file_is_refused(text: str) -> None:
    with pytest.raises(RunnerError):
        read(text)


def test_the_verb_writes_a_file_that_validates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, made = tmp_path / "yacron.yaml", tmp_path / "jobs.yaml"
    source.write_text(YACRON)
    assert run("import", "yacron", str(source), "-o", str(made)) == 0
    assert f"{source}: Nightly dump: `statsd` is not taken over" in capsys.readouterr().err
    assert run("import", "yacron", str(source), "-o", str(made)) == 1
    assert "is there already" in capsys.readouterr().err
    assert run("import", "yacron", str(source), "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["jobs"], document["yaml"]) == (4, made.read_text())
    said = subprocess.run(
        [sys.executable, "-m", "runner", "validate", "-f", str(made)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr


def test_what_is_no_file_of_yacron_ends_with_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("jobs: {}\n")
    assert run("import", "yacron", str(file)) == 1
    assert "it is no file of yacron's" in capsys.readouterr().err


@pytest.mark.parametrize("pools", ["{db: 2}", "[db]", "{db: {slots: many}}", "{db: }", ""])
def test_pools_that_say_no_number_are_named_and_so_is_the_job_they_do_not_bound(pools: str) -> None:
    taken = read(f"pools: {pools}\njobs: [{{name: load, command: x, schedule: '@daily', pool: db}}]\n")
    assert taken.groups == {}
    assert ("load", 'its pool "db" is not among `pools`: nothing bounds how many run at once') in taken.notes
    assert any("`pools` is not understood" in note for _, note in taken.notes) == bool(pools)


def test_what_a_pool_says_besides_its_number_is_named() -> None:
    taken = read("pools: {db: {slots: 2, maxQueued: 9}}\njobs: []\n")
    assert taken.groups == {"db": 2}
    assert [note for _, note in taken.notes if "maxQueued" in note]


def test_a_deadline_that_is_no_number_is_named() -> None:
    job = "{name: a, command: x, schedule: '@daily', onMissed: run-all, startingDeadlineSeconds: soon}"
    assert [note for _, note in read(f"jobs: [{job}]\n").notes if "startingDeadlineSeconds" in note]


def test_defaults_that_are_no_mapping_are_told_in_one_line() -> None:
    with pytest.raises(RunnerError, match="its `defaults` are no mapping"):
        read("defaults: [a]\njobs: [{name: a, command: x, schedule: '@daily'}]\n")


@pytest.mark.parametrize("when", ["0 0 31 2 *", "0 0 30 2 mon", "0 0 31 4 1-5"])
def test_a_job_that_can_never_run_does_not_keep_the_others_from_running(when: str, tmp_path: Path) -> None:
    text = f"""
jobs:
  - {{name: never, command: x, schedule: "{when}"}}
  - {{name: daily, command: x, schedule: "@daily"}}
"""
    assert ["can never fire" in note for name, note in read(text).notes if name == "never"] == [True]
    assert list(jobs_of(text, tmp_path)) == ["daily"]
