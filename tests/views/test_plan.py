from __future__ import annotations

from dataclasses import replace

from runner.moment import DAY, HOUR, MINUTE
from runner.spec import Command, Notify, Policy, Retry, Rule, Step
from runner.views.plan import MOST_TIMES, Key, document, plan, text
from tests.views.view_records import BYHAND, ETL, NOW, OSLO, PING, run, spec

WEEK = NOW + 7 * DAY
LOAD = Step("load", Command(script="./load.sh"), timeout=HOUR)
OLD = replace(ETL, steps=(LOAD,), notify=Notify(on_failure=(Rule(("ops",)),)))
NEW = replace(
    spec("etl", "0 3 * * *", name="Nightly ETL"),
    steps=(
        replace(LOAD, timeout=30 * MINUTE, retry=Retry(max=2, delay=MINUTE)),
        Step("mail", Command(script="m")),
    ),
    policy=Policy(grace=5 * MINUTE),
    notify=Notify(on_failure=(Rule(("oncall",)),)),
)


def test_a_whole_plan() -> None:
    hourly = spec("hourly", "0 * * * *")
    live = [run(OLD, "02:00:00", "running"), run(PING, "12:30:00", "running")]
    made = plan([OLD, PING, BYHAND], [hourly, NEW, BYHAND], now=NOW, until=WEEK, live=live)
    shown = text(made, now=NOW, zone=OSLO)
    assert [(edit.job, edit.what) for edit in made.edits] == [
        ("hourly", "added"),
        ("etl", "changed"),
        ("ping", "removed"),
    ]
    assert shown == (
        """\
+ hourly added
    runs today 13:00, today 14:00, today 15:00 and 165 more
~ etl changed
    steps.load.retry.max: (none) -> 2
    steps.load.retry.delay: (none) -> 1m
    steps.load.timeout: 1h -> 30m
    steps.mail.script: (none) -> m
    steps: load -> load, mail
    grace: (none) -> 5m
    schedule: 0 2 * * * -> 0 3 * * *
    moves tomorrow 02:00 -> 03:00, Thu 26 Nov 02:00 -> 03:00, Fri 27 Nov 02:00 -> 03:00 and 4 more
    alerts on_failure: ops -> oncall
    etl@2026-11-24T01:00:00Z is live: it goes on with the definition it began with
- ping removed
    no longer runs today 12:45, today 13:00, today 13:15 and 669 more
    ping@2026-11-24T11:30:00Z is live: it finishes; those waiting their turn are cancelled
1 added, 1 changed, 1 removed, 1 unchanged"""
    )


def test_the_same_is_nothing() -> None:
    made = plan([ETL, PING], [PING, ETL], now=NOW, until=WEEK)
    assert not made
    assert text(made, now=NOW, zone=OSLO) == "nothing changes (2 unchanged)"
    assert document(made) == {"edits": [], "beside": [], "unchanged": 2}


def test_another_directory_is_no_change() -> None:
    assert not plan([replace(ETL, source="/old/jobs.yaml")], [ETL], now=NOW, until=WEEK)


def test_a_disabled_job_no_longer_runs() -> None:
    (edit,) = plan([ETL], [replace(ETL, enabled=False)], now=NOW, until=NOW + DAY).edits
    assert edit.keys == (Key("enabled", "", "false"),)
    assert (len(edit.gone), edit.come) == (1, ())


def test_another_zone_moves_the_times_though_the_text_is_the_same() -> None:
    other = spec("etl", "0 2 * * *", name="Nightly ETL", timezone="UTC")
    (edit,) = plan([ETL], [other], now=NOW, until=NOW + DAY).edits
    assert {key.path for key in edit.keys} == {"timezone", "schedule"}
    ((old_time, new_time),) = edit.moved
    assert (edit.gone, edit.come, new_time - old_time) == ((), (), HOUR)


def test_times_of_a_busy_job_are_compared_as_far_as_both_are_known() -> None:
    seconds, minutes = spec("x", "* * * * * *"), spec("x", "* * * * *")
    (edit,) = plan([minutes], [seconds], now=NOW, until=WEEK).edits
    assert edit.gone == ()
    assert len(edit.come) == MOST_TIMES - MOST_TIMES // 60
    assert max(edit.come) == NOW + MOST_TIMES * 1_000_000


def test_as_json_and_as_markdown() -> None:
    made = plan([ETL], [replace(ETL, owner="kari")], now=NOW, until=WEEK)
    assert document(made)["edits"][0] == {
        "job": "etl",
        "what": "changed",
        "keys": [{"key": "owner", "old": "", "new": "kari"}],
        "gone": [],
        "come": [],
        "moved": [],
        "alerts": [],
        "live": [],
        "paused": False,
    }
    assert text(made, now=NOW, zone=OSLO, markdown=True) == (
        "- **etl** changed\n  - owner: `(none)` -> `kari`\n\n1 changed, 0 unchanged"
    )


def test_other_channels_alone_are_an_edit() -> None:
    (edit,) = plan(
        [OLD], [replace(OLD, notify=Notify(on_failure=(Rule(("oncall",)),)))], now=NOW, until=WEEK
    ).edits
    assert (edit.keys, edit.alerts) == ((), (Key("on_failure", "ops", "oncall"),))


def test_a_day_that_loses_as_many_times_as_it_gains_moves_them() -> None:
    old, new = spec("etl", "0 2,4 * * *"), spec("etl", "0 3,5 * * mon-fri")
    (edit,) = plan([old], [new], now=NOW, until=NOW + 7 * DAY).edits
    assert len(edit.moved) == 2 * 5
    assert (len(edit.gone), edit.come) == (2 * 2, ())
    assert document(plan([old], [new], now=NOW, until=NOW + DAY))["edits"][0]["moved"] == [
        {"from": "2026-11-25T02:00:00+01:00", "to": "2026-11-25T03:00:00+01:00"},
        {"from": "2026-11-25T04:00:00+01:00", "to": "2026-11-25T05:00:00+01:00"},
    ]
