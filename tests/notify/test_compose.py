from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from runner.core.incidents import about
from runner.core.run import News, NewsKind, Outcome, Run, RunKey, Status, StepRun
from runner.moment import SECOND, parse_iso
from runner.notify.compose import digest, message
from runner.spec import Command, JobKey, JobSpec, Step

ETL = JobKey("default", "/etc/jobs.yaml", "etl")
WHOLE_FILE = JobKey("default", "/etc/jobs.yaml", "")
AT = parse_iso("2026-11-24T02:01:06+01:00")
SLOT = parse_iso("2026-11-24T02:00:00+01:00")
FAILED: Mapping[str, Any] = {
    "title": "Nightly ETL",
    "step": "load",
    "status": "failed",
    "exit_code": 3,
    "scheduled_at": SLOT,
    "started_at": SLOT + 3 * SECOND,
    "ended_at": AT,
    "attempt": 2,
    "tail": "loading\n\x1b[31mno such table: orders\x1b[0m\n",
    "owner": "data team",
    "runbook": "https://wiki.example.com/etl",
    "zone": "Europe/Oslo",
}


def news(kind: NewsKind, job: JobKey = ETL, at: int = AT, **facts: Any) -> News:
    run = RunKey(job, SLOT) if facts.get("status") else None
    return News(kind, job, at, run, facts)


FAILURE = """\
Nightly ETL failed in load (exit code 3)
---
Job: Nightly ETL (etl)
Step: load, attempt 2
Result: failed, exit code 3
Scheduled: Tue 2026-11-24 02:00:00 CET
Started: Tue 2026-11-24 02:00:03 CET, 3s late
Took: 1m 3s
Owner: data team
Runbook: https://wiki.example.com/etl
Look further: runner logs etl@2026-11-24T01:00:00Z

The last lines of output:
    loading
    no such table: orders"""

REMINDER = """\
Nightly ETL is still failing (4 in a row)
---
Job: Nightly ETL (etl)
Step: load, attempt 2
Result: failed, exit code 3
Scheduled: Tue 2026-11-24 02:00:00 CET
Started: Tue 2026-11-24 02:00:03 CET, 3s late
Took: 1m 3s
Failures in a row: 4, since Tue 2026-11-24 02:00:00 CET
Owner: data team
Runbook: https://wiki.example.com/etl
Look further: runner logs etl@2026-11-24T01:00:00Z

The last lines of output:
    loading
    no such table: orders"""

RECOVERY = """\
etl recovered after 2 failures
---
Job: etl
Result: succeeded
Failures before: 2, since Tue 2026-11-24 01:00:00 UTC, it lasted 1m 6s
Look further: runner logs etl@2026-11-24T01:00:00Z"""

LATE = """\
etl is late: it has not started in time
---
Job: etl
Late: it has not started in time
Scheduled: Tue 2026-11-24 01:00:00 UTC"""

CONFIG = """\
/etc/jobs.yaml is broken
---
The last good schedule goes on; the edit is not live.

error[unknown-key]: there is no key 'scheduel'
  --> /etc/jobs.yaml:3:5

Check it with: runner validate -f /etc/jobs.yaml"""

GOOD_AGAIN = """\
/etc/jobs.yaml is good again
---
The file was read, and its schedule is live."""

LOST = """\
an alert about Nightly ETL did not reach ops
---
Job: Nightly ETL (etl)
Not delivered: Slack did not take the message
It was tried for a day and is not tried again."""

TEST = """\
a test message from runner
---
Messages to this channel arrive. Nothing is wrong."""


@pytest.mark.parametrize(
    ("said", "level", "text"),
    [
        (news("failure", **FAILED), "failure", FAILURE),
        (news("reminder", **FAILED, failures=4, since=SLOT), "failure", REMINDER),
        (news("recovery", status="succeeded", failures=2, since=SLOT), "success", RECOVERY),
        (news("late", late="start_within", scheduled_at=SLOT), "warning", LATE),
        (
            news(
                "config",
                WHOLE_FILE,
                file="/etc/jobs.yaml",
                error="error[unknown-key]: there is no key 'scheduel'\n  --> /etc/jobs.yaml:3:5\n",
                good=False,
            ),
            "failure",
            CONFIG,
        ),
        (news("config", WHOLE_FILE, good=True), "success", GOOD_AGAIN),
        (
            news(
                "delivery",
                title="Nightly ETL",
                channel="ops",
                error="Slack did not take the message",
            ),
            "failure",
            LOST,
        ),
        (news("test"), "info", TEST),
    ],
    ids=["failure", "reminder", "recovery", "late", "config", "config-good", "delivery", "test"],
)
def test_whole_messages(said: News, level: str, text: str) -> None:
    made = message(said)
    assert f"{made.title}\n---\n{made.body}" == text
    assert made.level == level


@pytest.mark.parametrize(
    ("facts", "title"),
    [
        ({}, "etl failed"),
        ({"status": "timed_out", "step": "load"}, "etl timed out in load"),
        ({"status": "interrupted"}, "etl was interrupted"),
        ({"status": "cancelled"}, "etl was cancelled"),
        ({"exit_code": 0, "step": "load"}, "etl failed in load"),
        ({"title": "two\nlines"}, "two lines failed"),
    ],
)
def test_titles_of_failures(facts: dict[str, Any], title: str) -> None:
    assert message(news("failure", **facts)).title == title


@pytest.mark.parametrize("kind", ["failure", "reminder", "recovery", "late", "success", "config", "delivery"])
@pytest.mark.parametrize("junk", [None, [], {}, "", "x", 1.5, True, -7])
def test_no_odd_fact_costs_a_message(kind: NewsKind, junk: Any) -> None:
    keys = [
        *FAILED,
        "failures",
        "since",
        "run",
        "took",
        "file",
        "errors",
        "channel",
        "attempts",
        "tags",
        "what",
    ]
    made = message(News(kind, ETL, AT, None, dict.fromkeys(keys, junk)))
    assert made.title
    assert made.body


def test_only_the_end_of_long_output_is_said() -> None:
    tail = "\n".join(f"line {number}" for number in range(1_000))
    lines = message(news("failure", tail=tail)).body.split("\n")
    assert lines[-1] == "    line 999"
    assert lines.index("The last lines of output:") == len(lines) - 21
    endless = message(news("failure", tail="x" * 100_000)).body
    assert len(endless) < 2_100


def test_a_rule_words_it_itself() -> None:
    seen: dict[str, Any] = {}

    def render(template: str, context: Mapping[str, Any]) -> str:
        seen.update(context)
        return template.upper()

    made = message(
        news("failure", **FAILED, title_template="etl broke", body_template="see page"), render=render
    )
    assert (made.title, made.body) == ("ETL BROKE", "SEE PAGE")
    assert seen["job"]["owner"] == "data team"
    assert seen["run"]["failed_step"] == "load"
    assert seen["run"]["duration"] == 63.0
    assert seen["run"]["scheduled_at"].isoformat() == "2026-11-24T02:00:00+01:00"


def test_a_broken_template_does_not_cost_the_alert() -> None:
    def render(template: str, context: Mapping[str, Any]) -> str:
        raise ValueError("'run.stpe' is undefined")

    made = message(news("failure", title_template="${{ run.stpe }}"), render=render)
    assert made.title == "etl failed"
    assert made.body == "Job: etl\n\n(this alert's own title could not be rendered: 'run.stpe' is undefined)"


def test_a_few_are_told_in_full() -> None:
    made = digest([news("recovery", at=AT + 9), news("failure", exit_code=1)])
    assert made.title == "etl: 1 failure, 1 recovery since 01:01:06"
    assert made.body == "etl failed (exit code 1)\nJob: etl\n\netl recovered\nJob: etl"
    assert made.level == "failure"


def test_a_storm_is_one_message_with_the_count() -> None:
    jobs = [JobKey("default", "f", f"j{number % 40}") for number in range(500)]
    storm = [news("failure", job, AT + index * SECOND // 50) for index, job in enumerate(jobs)]
    made = digest(storm)
    assert made.title == "500 failures (40 jobs)"
    lines = made.body.split("\n")
    assert lines[0] == "01:01:06  j0 failed"
    assert lines[-1].startswith("and 470 more, of j30 (12), ")
    assert lines[-1].endswith(" and 30 other jobs")
    assert len(lines) == 31


def test_one_is_not_summed_up() -> None:
    assert digest([news("test")]) == message(news("test"))


def test_both_ways_to_write_a_template() -> None:
    made = message(
        news(
            "failure",
            **FAILED,
            title_template="${{ job.name }} failed in ${{ run.failed_step }}",
            body_template="{% if run.duration > 60 %}after {{ run.duration }} s{% endif %}",
        )
    )
    assert (made.title, made.body) == ("Nightly ETL failed in load", "after 63.0 s")


def test_a_late_job_that_is_on_time_again() -> None:
    assert message(news("recovery", late="finish_by", since=SLOT)).title == "etl is on time again"


def test_the_facts_of_the_machine_make_a_whole_message() -> None:
    spec = JobSpec("etl", (Step("load", Command(script="false")),), source="/etc/jobs.yaml", owner="data")
    outcome = Outcome(Status.FAILED, exit_code=3, error="exit code 3", tail="no such table\n")
    state = StepRun("load", status=Status.FAILED, attempt=2, outcome=outcome)
    run = Run(
        RunKey(spec.key, SLOT), spec, Status.FAILED, steps={"load": state}, started_at=SLOT, ended_at=AT
    )
    made = message(News("failure", spec.key, AT, run.key, about(spec, run)))
    assert made.title == "etl failed (exit code 3)"
    assert (
        made.body
        == """\
Job: etl
Step: load, attempt 2
Result: failed, exit code 3
Scheduled: Tue 2026-11-24 01:00:00 UTC
Started: Tue 2026-11-24 01:00:00 UTC
Took: 1m 6s
Owner: data
Look further: runner logs etl@2026-11-24T01:00:00Z

The last lines of output:
    no such table"""
    )
