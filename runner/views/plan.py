"""`runner plan`: what an edit does, before it is live: jobs, keys, fire times, alerts, and the runs it meets."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from datetime import date, tzinfo
from itertools import islice
from typing import Any

from runner.core.run import Run
from runner.duration import format_duration
from runner.moment import Moment, to_datetime
from runner.spec import JobSpec, Notify, Rule, Step
from runner.views.when import iso, when, zone_of

MOST_TIMES = 2_000
"""Fire times looked at for each job and side; a job that is due every second is not followed for a week."""

_SPANS = frozenset(
    "timeout delay max_delay grace window jitter age logs start_within max_duration success_every remind "
    "stop_grace within".split()
)
_NOT_KEYS = frozenset({"id", "key", "source", "store", "trigger", "remove_when_done"})
_SHORT = 60


@dataclass(frozen=True, slots=True)
class Key:
    """A key whose value is another one; empty text where it is not there."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Edit:
    """What becomes of one job. `gone` and `come` are its fire times that vanish and appear, `moved` those that are
    at another time of the same day: the old one and the new one."""

    job: str
    what: str
    spec: JobSpec
    keys: tuple[Key, ...] = ()
    gone: tuple[Moment, ...] = ()
    come: tuple[Moment, ...] = ()
    moved: tuple[tuple[Moment, Moment], ...] = ()
    alerts: tuple[Key, ...] = ()
    live: tuple[str, ...] = ()
    paused: bool = False
    """Whether somebody paused the job that is running: its times come and go, and none is run until it is resumed."""

    @property
    def meaning(self) -> str:
        """What happens to live runs."""
        if self.what == "removed":
            return "finishes; those waiting their turn are cancelled"
        return "goes on with the definition it began with"


@dataclass(frozen=True, slots=True)
class Plan:
    """Edits in the order of the new file, removed jobs last; `until` bounds the fire times. `beside` is what changes
    beside the jobs: channels, groups, executors, maintenance, secrets."""

    edits: tuple[Edit, ...]
    unchanged: int
    until: Moment
    beside: tuple[Key, ...] = ()
    whole: bool = True
    """Whether what stands beside the jobs could be compared."""

    def __bool__(self) -> bool:
        return bool(self.edits or self.beside)


def plan(
    old: Iterable[JobSpec],
    new: Sequence[JobSpec],
    *,
    now: Moment,
    until: Moment,
    live: Iterable[Run] = (),
    beside: tuple[Key, ...] = (),
    paused: Collection[str] = (),
    whole: bool = True,
) -> Plan:
    """Compare two sets of jobs by their ids, with the fire times after `now` up to `until`.

    `paused`: the ids of running jobs that are. `whole`: whether `beside` is all that changed there.
    """
    before = {spec.id: spec for spec in old}
    after = {spec.id: spec for spec in new}
    runs: dict[str, list[str]] = {}
    for run in live:
        runs.setdefault(run.spec.id, []).append(run.id)
    edits = []
    for spec in new:
        known = before.get(spec.id)
        edit = _added(spec, now, until) if known is None else _changed(known, spec, now, until, runs)
        if edit is not None:
            edits.append(edit)
    for id, spec in before.items():
        if id not in after:
            gone = _times(spec, now, until)
            edits.append(
                Edit(id, "removed", spec, gone=gone, alerts=_alerts(spec, None), live=tuple(runs.get(id, ())))
            )
    made = tuple(replace(edit, paused=True) if edit.job in paused else edit for edit in edits)
    return Plan(made, len(after) - sum(edit.what != "removed" for edit in edits), until, beside, whole)


def _added(spec: JobSpec, now: Moment, until: Moment) -> Edit:
    return Edit(spec.id, "added", spec, come=_times(spec, now, until), alerts=_alerts(None, spec))


def _changed(
    old: JobSpec, new: JobSpec, now: Moment, until: Moment, runs: Mapping[str, Sequence[str]]
) -> Edit | None:
    keys = difference(old, new)
    gone: tuple[Moment, ...] = ()
    come: tuple[Moment, ...] = ()
    if old.trigger != new.trigger or old.enabled != new.enabled:
        first, second = _times(old, now, until), _times(new, now, until)
        reach = min(_reach(first, until), _reach(second, until))
        gone = tuple(at for at in first if at <= reach and at not in set(second))
        come = tuple(at for at in second if at <= reach and at not in set(first))
        if not any(key.path == "schedule" for key in keys) and old.trigger != new.trigger:
            keys = (Key("schedule", old.schedule, new.schedule), *keys)
    alerts = _alerts(old, new)
    keys = tuple(key for key in keys if not (key.path.startswith("notify.") and key.path.endswith(".to")))
    if not keys and not alerts:
        return None
    moved, gone, come = _moved(gone, come, zone_of(new.timezone))
    return Edit(new.id, "changed", new, keys, gone, come, moved, alerts, tuple(runs.get(new.id, ())))


def _moved(
    gone: Sequence[Moment], come: Sequence[Moment], zone: tzinfo
) -> tuple[tuple[tuple[Moment, Moment], ...], tuple[Moment, ...], tuple[Moment, ...]]:
    """Pairs of the old time and the new one, and the times that are in none: on a day that loses as many as it
    gains, each of them moved."""
    days: dict[date, tuple[list[Moment], list[Moment]]] = {}
    for side, times in enumerate((gone, come)):
        for at in times:
            days.setdefault(to_datetime(at, zone).date(), ([], []))[side].append(at)
    pairs = [
        pair
        for lost, gained in days.values()
        if len(lost) == len(gained)
        for pair in zip(lost, gained, strict=True)
    ]
    left, right = {old for old, _ in pairs}, {new for _, new in pairs}
    return (
        tuple(sorted(pairs)),
        tuple(at for at in gone if at not in left),
        tuple(at for at in come if at not in right),
    )


def _times(spec: JobSpec, now: Moment, until: Moment) -> tuple[Moment, ...]:
    if spec.trigger is None or not spec.enabled:
        return ()
    found: list[Moment] = []
    slot = spec.trigger.next_after(now)
    while slot is not None and slot <= until and len(found) < MOST_TIMES:
        found.append(slot)
        slot = spec.trigger.next_after(slot)
    return tuple(found)


def _reach(times: Sequence[Moment], until: Moment) -> Moment:
    """How far these times are known."""
    return times[-1] if len(times) == MOST_TIMES else until


# ── key by key ──────────────────────────────────────────────────────────────────────────────


def difference(old: JobSpec, new: JobSpec) -> tuple[Key, ...]:
    """The keys whose values differ, named as people write them."""
    first, second = flat(old), flat(new)
    names = [*second, *(name for name in first if name not in second)]
    return tuple(
        Key(name, first.get(name, ""), second.get(name, ""))
        for name in names
        if first.get(name, "") != second.get(name, "")
    )


def flat(spec: JobSpec) -> dict[str, str]:
    """Every key of a job that is not as usual, as a path, with its value as text."""
    found: dict[str, str] = {}
    for name, value in _said(spec):
        if name not in _NOT_KEYS:
            # `policy` and `work` group keys in the code only: people write them in the job and in the step.
            _flatten(value, "" if name == "policy" else name, found)
    return found


def _said(value: Any) -> Iterator[tuple[str, Any]]:
    """The fields of a value that are not what they are where nothing is said."""
    for each in fields(value):
        usual = each.default_factory() if each.default_factory is not MISSING else each.default
        if (found := getattr(value, each.name)) != usual:
            yield each.name, found


def _flatten(value: Any, path: str, found: dict[str, str]) -> None:
    if isinstance(value, tuple) and value and all(isinstance(item, Step) for item in value):
        for step in value:
            for name, inner in _said(step):
                if name != "id":
                    _flatten(
                        inner, f"{path}.{step.id}" if name == "work" else f"{path}.{step.id}.{name}", found
                    )
        found[path] = ", ".join(step.id for step in value)
    elif isinstance(value, tuple) and any(is_dataclass(item) for item in value):
        for number, item in enumerate(value):
            _flatten(item, path if len(value) == 1 else f"{path}[{number}]", found)
    elif is_dataclass(value) and not isinstance(value, type):
        for name, inner in _said(value):
            _flatten(inner, f"{path}.{name}" if path else name, found)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            _flatten(item, f"{path}.{name}", found)
    elif (text := _text(value, path.rpartition(".")[2])) != "":
        found[path] = text


def _text(value: Any, name: str) -> str:
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and name in _SPANS:
        return format_duration(value)
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else str(value)


def _alerts(old: JobSpec | None, new: JobSpec | None) -> tuple[Key, ...]:
    """Which news goes to other channels than before."""
    found = []
    for each in fields(Notify):
        first, second = (_channels(getattr(spec.notify, each.name)) if spec else "" for spec in (old, new))
        if first != second:
            found.append(Key(each.name, first, second))
    return tuple(found)


def _channels(rules: Sequence[Rule]) -> str:
    return ", ".join(dict.fromkeys(name for rule in rules for name in rule.to))


# ── for people and machines ─────────────────────────────────────────────────────────────────


def document(made: Plan) -> dict[str, Any]:
    """`{edits: [{job, what, keys, gone, come, moved, alerts, live, paused}], beside, unchanged}`; times in each job's
    zone. `beside` is null where it could not be compared."""
    return {
        "edits": [
            {
                "job": edit.job,
                "what": edit.what,
                "keys": [_key(key) for key in edit.keys],
                "gone": [iso(at, zone_of(edit.spec.timezone)) for at in edit.gone],
                "come": [iso(at, zone_of(edit.spec.timezone)) for at in edit.come],
                "moved": [
                    {
                        "from": iso(old, zone_of(edit.spec.timezone)),
                        "to": iso(new, zone_of(edit.spec.timezone)),
                    }
                    for old, new in edit.moved
                ],
                "alerts": [_key(key) for key in edit.alerts],
                "live": list(edit.live),
                "paused": edit.paused,
            }
            for edit in made.edits
        ],
        "beside": [_key(key) for key in made.beside] if made.whole else None,
        "unchanged": made.unchanged,
    }


def _key(key: Key) -> dict[str, str]:
    return {"key": key.path, "old": key.old, "new": key.new}


def text(made: Plan, *, now: Moment, zone: tzinfo, markdown: bool = False) -> str:
    """A block for each job, times in the reader's `zone`; `markdown` for a review's comment."""
    lines = []
    for edit in made.edits:
        sign = {"added": "+", "removed": "-", "changed": "~"}[edit.what]
        lines.append(f"- **{edit.job}** {edit.what}" if markdown else f"{sign} {edit.job} {edit.what}")
        lines += [f"  - {line}" if markdown else f"    {line}" for line in _lines(edit, now, zone, markdown)]
    if made.beside:
        lines.append("- **beside the jobs**" if markdown else "~ beside the jobs")
        lines += [("  - " if markdown else "    ") + _changed_key(key, markdown) for key in made.beside]
    same = f"{made.unchanged} unchanged"
    if not made.whole:
        same += "; no runner answers: only its jobs could be compared, not what stands beside them"
    if not made:
        return f"nothing changes ({same})"
    counts = [
        f"{count} {what}"
        for what in ("added", "changed", "removed")
        if (count := sum(edit.what == what for edit in made.edits))
    ]
    return "\n".join([*lines, *([""] if markdown else []), ", ".join([*counts, same])])


def _lines(edit: Edit, now: Moment, zone: tzinfo, markdown: bool) -> list[str]:
    lines = [_changed_key(key, markdown) for key in edit.keys]
    if edit.moved:
        pairs = [f"{when(old, now, zone)} -> {_clock(old, new, now, zone)}" for old, new in edit.moved[:3]]
        more = f" and {len(edit.moved) - 3} more" if len(edit.moved) > 3 else ""
        lines.append(f"moves {', '.join(pairs)}{more}")
    if edit.gone:
        lines.append(f"no longer runs {_listed(edit.gone, now, zone)}")
    if edit.come:
        lines.append(f"{'also ' if edit.what == 'changed' else ''}runs {_listed(edit.come, now, zone)}")
    if edit.paused and edit.what == "changed":
        lines.append("it is paused, and stays so: nothing of it runs until it is resumed")
    for key in edit.alerts:
        lines.append(f"alerts {key.path}: {key.old or 'nobody'} -> {key.new or 'nobody'}")
    for run in edit.live:
        lines.append(f"{run} is live: it {edit.meaning}")
    return lines


def _clock(old: Moment, new: Moment, now: Moment, zone: tzinfo) -> str:
    """The new time without its day, where that is the old one's."""
    said = when(new, now, zone)
    day = when(old, now, zone).rpartition(" ")[0]
    return said.removeprefix(f"{day} ") if day else said


def _changed_key(key: Key, markdown: bool) -> str:
    code = "`" if markdown else ""
    return f"{key.path}: {code}{_short(key.old)}{code} -> {code}{_short(key.new)}{code}"


def _short(value: str) -> str:
    line = " ".join(value.split()) or "(none)"
    return line if len(line) <= _SHORT else line[: _SHORT - 1] + "…"


def _listed(times: Sequence[Moment], now: Moment, zone: tzinfo) -> str:
    shown = ", ".join(when(at, now, zone) for at in islice(times, 3))
    rest = len(times) - 3
    more = f" and {rest}{'+' if len(times) == MOST_TIMES else ''} more" if rest > 0 else ""
    return shown + more
