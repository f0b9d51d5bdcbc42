"""Windows of maintenance: one at a moment, or one after each firing of a schedule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from runner.config.diagnose import Trouble
from runner.config.document import FileModel
from runner.config.document.root import MaintenanceModel
from runner.config.node import Map, Scalar, Seq, find
from runner.config.shape import checked
from runner.core.event import Maintenance
from runner.errors import TriggerError
from runner.moment import Moment, Span, from_datetime
from runner.triggers.base import Trigger
from runner.triggers.calendars import Calendar
from runner.triggers.date import DateTrigger
from runner.triggers.schedule import build
from runner.triggers.zones import zone as zone_named

_MANY = 400
"""Openings; more than there are in a year of days."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the windows of one file, whose times without an offset are those of `zone`."""

    trouble: Trouble
    zone: str
    calendars: Mapping[str, Calendar]

    def window(self, node: Map) -> Maintenance | None:
        """One window, or None; every mistake of it is told, whatever else is wrong with it."""
        given = {key for key, child in node.nodes.items() if child.value is not None}
        name = str(node.nodes["name"].value) if "name" in given else ""
        wrong = list(_contradictions(given))
        for fact, help in wrong:
            self.trouble.add("value", f"the maintenance window {name!r} {fact}", node.at, help=help)
        start, end = (self._moment(node, key) if key in given else None for key in ("start", "end"))
        opens = self._opens(node, name) if "schedule" in given else None
        model = _model(node)
        if wrong or model is None:
            return None
        length: Span | None = model.duration
        if start is not None:
            opens = DateTrigger.of(start, self.zone)
            length = end - start if end is not None else length
        if opens is None or length is None:
            return None
        fact, help = _wrong_length(opens, length, ends="end" in given)
        if fact:
            self.trouble.add("value", f"the maintenance window {name!r} {fact}", node.at, help=help)
            return None
        return Maintenance(name, opens, length, tuple(model.tags))

    def _opens(self, node: Map, name: str) -> Trigger | None:
        given = node.nodes["schedule"]
        alone = Map(node.at)
        for key, child in (("name", Scalar(name, node.at, name)), ("schedule", given)):
            alone.put(key, node.at, child)
        if _model(alone) is None:
            return None  # that was said of its shape
        try:
            opens = build(given.value, timezone=self.zone, job_id=name, calendars=self.calendars)
        except TriggerError as error:
            self.trouble.add("schedule", error.fact, find(given, error.path).at, help=error.hint)
            return None
        first = opens.next_after(0)
        if first is not None and opens.jitter_at(first):
            self.trouble.add("schedule", "a maintenance window begins on time, so it has no jitter", given.at,
                             help="leave `jitter` out")  # fmt: skip
            return None
        return opens

    def _moment(self, node: Map, key: str) -> Moment | None:
        text = str(node.nodes[key].value)
        try:
            when = datetime.fromisoformat(text)
        except ValueError:
            self.trouble.add("value", f"{text!r} is not a moment", find(node, (key,)).at,
                             help="write 2026-12-24T08:00, or with an offset 2026-12-24T08:00+01:00")  # fmt: skip
            return None
        return from_datetime(
            when if when.tzinfo is not None else when.replace(tzinfo=zone_named(self.zone).info)
        )


def _contradictions(given: set[str]) -> Iterator[tuple[str, str]]:
    """What is wrong with these keys of a window, each with what to write."""
    if not given & {"start", "schedule"}:
        yield (
            "needs a beginning",
            'write start: 2026-12-01T22:00, or for many windows schedule: "0 22 * * tue"',
        )
    if given >= {"start", "schedule"}:
        yield "has both `start` and `schedule`", "`start` makes one window, `schedule` one each time"
    elif given >= {"schedule", "end"}:
        yield "has a `schedule`, and an `end`", "say how long each of them lasts: duration: 4h"
    elif not given & {"duration", "end"}:
        how = "duration: 4h" if "schedule" in given else "either duration: 4h or end: 2026-12-02T02:00"
        yield "needs an end", f"write {how}"
    if given >= {"duration", "end"}:
        yield "has both `end` and `duration`", "write either duration: 4h or end: 2026-12-02T02:00"


def _wrong_length(opens: Trigger, length: Span, *, ends: bool) -> tuple[str, str]:
    """What is wrong with the length, and what to write; empty texts where nothing is."""
    if length <= 0:
        if ends:
            return "ends before it begins", "`end` comes after `start`"
        return "lasts no time", "write how long it is shut: duration: 4h"
    opening = opens.next_after(0)
    for _ in range(_MANY):
        following = opens.next_after(opening) if opening is not None else None
        if opening is None or following is None or following - opening > length:
            return "", ""
        opening = following
    return "never ends: it opens again before it is over", "make `duration` shorter, or open it less often"


def _model(node: Map) -> MaintenanceModel | None:
    """Its shape was checked with its file: here only what is good matters."""
    alone, listed = Map(node.at), Seq(node.at)
    listed.nodes, listed.value = [node], [node.value]
    alone.put("maintenance", node.at, listed)
    model = checked(FileModel, alone, Trouble())
    return model.maintenance[0] if model is not None and model.maintenance else None
