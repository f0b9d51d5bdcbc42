"""Alerts: whether somebody is told at all, and what is still on its way."""

from __future__ import annotations

from collections.abc import Iterator

from runner.amounts import count, few
from runner.core.run import Delivery
from runner.doctor.case import Case
from runner.doctor.finding import Finding, note, ok, problem
from runner.moment import MINUTE
from runner.views.when import away

ABOUT = "alerts"


def alerts(case: Case) -> Iterator[Finding]:
    undelivered = [*_waiting(case), *_given_up(case)]
    yield from undelivered
    if case.config is None or not case.config.channels:
        return  # that nobody hears of anything was said of the file
    silent = [spec.id for spec in case.config.jobs if not spec.notify.on_failure]
    channels = few(sorted(case.config.channels))
    if silent:
        yield note(
            ABOUT, f"nobody hears when these fail: {few(silent)}", "write `notify: {on_failure: NAME}`"
        )
    elif not undelivered:
        yield ok(ABOUT, f"{count(len(case.config.channels), 'channel')} ({channels}), every address can be read; "
                        "nothing waits to be told")  # fmt: skip


def _waiting(case: Case) -> Iterator[Finding]:
    """By channel: what was tried in vain, and what nobody tries."""
    found: dict[str, list[Delivery]] = {}
    for delivery in case.stored.deliveries if case.stored is not None else ():
        found.setdefault(delivery.channel, []).append(delivery)
    for channel, deliveries in sorted(found.items()):
        oldest = min(deliveries, key=lambda each: each.created_at)
        since = away(oldest.created_at, case.now)
        what = f"{count(len(deliveries), 'message')} to {channel}, the first made {since}"
        failed = next((each for each in deliveries if each.error), None)
        if failed is not None:
            yield problem(
                ABOUT,
                f"{what}, could not be delivered: {failed.error}",
                "mend the channel's address or its server; it is tried again for a day, then given up",
            )
        elif oldest.created_at < case.now - MINUTE:
            yield note(
                ABOUT,
                f"{what}, not sent yet",
                "quiet times hold messages back"
                if case.alive is not None
                else "a runner has to be at work for that",
            )


def _given_up(case: Case) -> Iterator[Finding]:
    found = case.stored.given_up if case.stored is not None else ()
    if found:
        last = max(found, key=lambda each: each.created_at)
        yield problem(
            ABOUT,
            f"{count(len(found), 'message')} could not be delivered in a whole day and will not be, the last to "
            f"{last.channel}, made {away(last.created_at, case.now)}: {last.error}",
            "mend the channel's address or its server; runner history says what they were about",
        )
