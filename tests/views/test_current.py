from __future__ import annotations

from dataclasses import replace

from runner.core.run import Job
from runner.moment import MINUTE
from runner.views.current import current
from tests.views.view_records import BACKUP, BYHAND, ETL, NOW, PING, at, job, spec


def only(*jobs: Job) -> Job:
    assert len(jobs) == 1
    return jobs[0]


def test_without_a_store_the_file_says_it_all() -> None:
    off = spec("off", "0 1 * * *", enabled=False)
    etl, byhand, disabled = current([ETL, BYHAND, off], [], now=NOW)
    assert (etl.state, etl.next_at) == ("scheduled", at("2026-11-25T02:00:00"))
    assert (byhand.state, byhand.next_at) == ("scheduled", None)
    assert (disabled.state, disabled.reason, disabled.next_at) == ("paused", "disabled", None)


def test_the_store_knows_better_what_comes_next() -> None:
    moved = job(PING, next_at=NOW + MINUTE, failures=3)
    assert only(*current([PING], [moved], now=NOW)) == moved


def test_a_time_that_is_over_is_not_what_comes_next() -> None:
    stale = job(PING, next_at=NOW - MINUTE)
    assert only(*current([PING], [stale], now=NOW)).next_at == at("12:45:00")


def test_an_edited_schedule_counts_from_now() -> None:
    edited = replace(PING, trigger=ETL.trigger)
    assert only(*current([edited], [job(PING)], now=NOW)).next_at == at("2026-11-25T02:00:00")


def test_a_pause_outlives_an_edit() -> None:
    paused = job(BACKUP, state="paused", paused_until=at("2026-12-01T08:00:00"), next_at=None)
    shown = only(*current([replace(BACKUP, owner="kari")], [paused], now=NOW))
    assert (shown.state, shown.paused_until, shown.spec.owner) == ("paused", paused.paused_until, "kari")


def test_a_pause_that_is_over_is_over() -> None:
    paused = job(BACKUP, state="paused", paused_until=NOW, next_at=None)
    shown = only(*current([BACKUP], [paused], now=NOW))
    assert (shown.state, shown.next_at) == ("scheduled", at("2026-11-29T03:30:00"))


def test_a_finished_job_with_another_schedule_is_scheduled_again() -> None:
    finished = job(ETL, state="finished", next_at=None)
    assert only(*current([ETL], [finished], now=NOW)).state == "finished"
    again = only(*current([replace(ETL, trigger=PING.trigger)], [finished], now=NOW))
    assert (again.state, again.next_at) == ("scheduled", at("12:45:00"))


def test_jobs_of_others_come_after_and_removed_ones_are_gone() -> None:
    elsewhere = job(spec("b", "0 1 * * *", source="api:web"))
    another = job(spec("a", "0 1 * * *", source="api:web"))
    gone = job(spec("gone", "0 1 * * *"))
    shown = current([PING, ETL], [elsewhere, gone, another], now=NOW)
    assert [one.spec.id for one in shown] == ["ping", "etl", "a", "b"]
