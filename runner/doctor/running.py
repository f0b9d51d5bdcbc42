"""Who runs the jobs: a runner of this state directory, one elsewhere, or nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.doctor.case import Case
from runner.doctor.elsewhere import elsewhere
from runner.doctor.finding import Finding, note, ok, problem
from runner.machine_zone import machine_zone
from runner.moment import DAY, parse_iso
from runner.service.health import Health, why_unknown
from runner.service.leader import Leader
from runner.service.twin import twin
from runner.views.when import away, when, zone_of

ABOUT = "runner"


def leads(case: Case) -> Iterator[Finding]:
    place = case.place
    if (other := twin(place)) is not None:
        yield problem(
            ABOUT,
            f"process {other.pid} serves this very file by another path, with another state",
            f"look at that one: runner doctor -f {other.file}",
        )
        return
    others = list(elsewhere(place))
    for pid, state in others:
        yield note(
            ABOUT,
            f"process {pid} serves this file with another state directory, {state}",
            f"look at that one: RUNNER_STATE_DIR={state} runner doctor -f {place.file}",
        )
    health = case.health
    if health is None:
        yield from _none(case, others=bool(others))
    elif dead := health.alive(case.clock):
        yield _dead(case, health, dead)
    else:
        yield from _well(case, health)


def _none(case: Case, *, others: bool) -> Iterator[Finding]:
    place, start = case.place, f"runner serve -f {case.place.file}"
    leader = Leader.read(place.state)
    if case.stored is not None and case.stored.leader:
        yield ok(ABOUT, f"none of this state directory; {case.stored.leader} leads")
    elif leader is not None and leader.gone():
        fact = f"{leader} led the file and is no more: it was killed, or it crashed"
        yield problem(ABOUT, fact, f"start it again: {start}; its log says how it ended")
    elif "cannot be read" in (reason := why_unknown(place.state)):
        yield note(ABOUT, reason, "look as the user whose runner it is")
    elif not others:
        yield note(ABOUT, reason, f"nothing runs on time until somebody does: {start}")


def _dead(case: Case, health: Health, dead: str) -> Finding:
    who = "" if f"process {health.pid}" in dead else f" (process {health.pid})"
    fact = f"{dead}{who}; last seen {_ago(health.at, case)}"
    silent = "has not turned" in dead
    if silent and health.here:
        help = "it is busy, stopped or stuck; if it stays so, end it with SIGTERM and start it again"
        return problem(ABOUT, fact, help)
    start = f"start it again: runner serve -f {case.place.file}"
    if case.stored is not None and case.stored.leader:
        fact = f"{fact}; {case.stored.leader} leads now"
        return note(ABOUT, fact, f"unless that is its successor, {start}")
    if silent:
        help = f"look where it was, on {health.host}; where that machine or container is no more, {start}"
        return problem(ABOUT, fact, help)
    return problem(ABOUT, fact, f"it did not end by itself; {start}")


def _well(case: Case, health: Health) -> Iterator[Finding]:
    for each in health.problems:
        yield problem(
            ABOUT, f"process {health.pid} says of itself: {each}", "nothing starts until that is mended"
        )
    status = health.status
    yield from _clock(status.get("clock"), case)
    if status.get("draining"):
        yield note(ABOUT, f"process {health.pid} is stopping: nothing new starts")
        return
    seen = f"its loop turned {_ago(health.at, case)}"
    if status.get("leading"):
        since = _at((status.get("leader") or {}).get("since"), case)
        yield ok(ABOUT, f"process {health.pid} leads since {since}; {seen}")
        return
    holder = case.stored.leader if case.stored is not None else ""
    holder = holder or str(Leader.read(case.place.state) or "another runner")
    if not health.problems:
        yield ok(ABOUT, f"process {health.pid} stands by, {holder} leads; {seen}")


def _clock(change: Mapping[str, Any] | None, case: Case) -> Iterator[Finding]:
    """That it was set, in so far as it may still matter to anybody."""
    if change and abs(case.now - parse_iso(str(change.get("at")))) <= DAY:
        fact = f"{change.get('text')}, {_ago(change.get('at'), case)}"
        yield note(ABOUT, fact, "runner why JOB says what became of its times")


def _at(text: object, case: Case) -> str:
    try:
        return when(parse_iso(str(text)), case.now, zone_of(machine_zone()[0]))
    except ValueError:
        return str(text)


def _ago(text: object, case: Case) -> str:
    try:
        return away(parse_iso(str(text)), case.now)
    except ValueError:
        return str(text)
