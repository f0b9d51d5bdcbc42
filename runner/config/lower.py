"""From a checked document of one job to its specification: sugar is lowered, references are looked up."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo

from runner.config.diagnose import Trouble
from runner.config.document import JobModel, NotifyModel, ParamModel, RuleModel
from runner.config.merge import Whole
from runner.config.node import Map, Node, Number, Real, Seq, find
from runner.config.spot import Known, Spot, declare
from runner.config.steps import Steps
from runner.errors import SpecError, TriggerError
from runner.expressions import has_expression
from runner.spec import (
    After,
    Catchup,
    Concurrency,
    JobSpec,
    Notify,
    OnlyAfter,
    Param,
    Policy,
    Retention,
    Rule,
    Sla,
)
from runner.spec.params import value_of
from runner.spec.step import EMPTY
from runner.triggers.base import Trigger
from runner.triggers.schedule import build

_NOBODY = Notify()
_UNSAID = (None,) * 6


def job_spec(whole: Whole, model: JobModel, known: Known, trouble: Trouble) -> JobSpec:
    """The specification; what is wrong is noted in `trouble`, and the result is of use only where nothing is."""
    return _Job(Spot(whole, model, known, trouble)).spec()


class _Job:
    def __init__(self, spot: Spot) -> None:
        self.spot = spot

    def spec(self) -> JobSpec:
        model, known = self.spot.model, self.spot.known
        zone = self._zone()
        trigger = self._trigger(zone)
        for word in ("watch", "webhook"):
            if getattr(model, word) is not None:
                self.spot.add(
                    "not-yet",
                    f"`{word}` is not yet available",
                    self.spot.key_at(word),
                    help="use a schedule for now",
                )
        steps = Steps(self.spot).all()
        if model.only_after is not None and trigger is None:
            self.spot.add("missing", "`only_after` gates a schedule, and there is none", self.spot.at("only_after"),
                      help="add a schedule, or use `after` to start when the other job ends")  # fmt: skip
        return JobSpec(
            id=self.spot.whole.id,
            steps=steps,
            trigger=trigger,
            policy=self._policy(),
            source=known.source,
            name=model.name or "",
            description=model.description or "",
            owner=model.owner or "",
            runbook=model.runbook or "",
            tags=self.spot.one(tuple(sys.intern(tag) for tag in model.tags or ())),
            executor=self.spot.named("executor", model.executor, known.executors) or "default",
            timezone=zone,
            env={**known.env, **(model.env or {})} if known.env else model.env or EMPTY,
            env_files=(*known.env_files, *(model.env_file or ())),
            vars=self.spot.whole.vars,
            matrix=self.spot.whole.matrix,
            params=self._params(),
            notify=self._notify(),
            after=tuple(After(each.job, each.on) for each in model.after or ()),
            only_after=OnlyAfter(model.only_after.job, model.only_after.within) if model.only_after else None,
            enabled=model.enabled,
            heartbeat=model.heartbeat,
            schedule=_said(self.spot.whole.node.nodes.get("schedule")),
        )

    # ── when ────────────────────────────────────────────────────────────────────────────────

    def _zone(self) -> str:
        name = self.spot.model.timezone
        if name is None:
            return self.spot.known.timezone
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            self.spot.add(
                "unknown-timezone",
                f"there is no time zone {name!r}",
                self.spot.at("timezone"),
                help=_zone_hint(name),
            )
            return "UTC"
        return name

    def _trigger(self, zone: str) -> Trigger | None:
        node = self.spot.whole.node.nodes.get("schedule")
        if node is None or node.value is None:
            return None  # said where values that are missing are looked for
        value = _texts(node.value)
        id, calendars = self.spot.whole.id, self.spot.known.calendars
        first = True
        while True:
            try:
                return build(value, timezone=zone, job_id=id, calendars=calendars)
            except TriggerError as error:
                path = error.path
                own = bool(path) and isinstance(path[-1], str)
                if not first and not own:
                    return None  # it may come of what was taken out
                self._bad_schedule(node, error)
                if not own or not _taken_out(value, path):
                    return None
                first = False

    def _bad_schedule(self, node: Node, error: TriggerError) -> None:
        place, last = find(node, error.path), error.path[-1] if error.path else None
        known = isinstance(place, Map) and last in place.keys
        at = place.keys[str(last)] if known and isinstance(place, Map) else place.at
        self.spot.add("schedule", error.fact, at, help=error.hint)

    # ── policies ────────────────────────────────────────────────────────────────────────────

    def _policy(self) -> Policy:
        model = self.spot.model
        c, u, sla, kept = model.concurrency, model.catchup, model.sla, model.retention
        rest = (c, u, sla, kept, model.priority, model.on_interrupt)
        if rest == _UNSAID:
            # What most jobs have: nothing is made where another job has it already.
            same = self.spot.known.same
            found: Policy | None = same.get(("policy", model.timeout))
            if found is None:
                found = same["policy", model.timeout] = self.spot.one(Policy(timeout=model.timeout))
            return found
        concurrency = Concurrency()
        if c is not None:
            most = c.max if c.max is not None else (None if c.overlap == "allow" else 1)
            concurrency = Concurrency(c.overlap, most, c.group)
            self.spot.named("group", c.group, self.spot.known.groups, "concurrency")
        policy = Policy(
            concurrency=concurrency,
            catchup=Catchup(u.runs, u.window, u.max) if u is not None else Catchup(),
            priority=model.priority or 0,
            timeout=model.timeout,
            on_interrupt=model.on_interrupt or "fail",
            sla=Sla(sla.start_within, sla.max_duration, sla.finish_by, sla.success_every) if sla is not None else Sla(),
            retention=Retention(kept.runs, kept.age, kept.logs, kept.bytes) if kept is not None else Retention(),
        )  # fmt: skip
        return self.spot.one(policy)

    def _notify(self) -> Notify:
        model = self.spot.model.notify
        if model is None:
            return _NOBODY
        kinds = ("on_failure", "on_recovery", "on_late", "on_success")
        return self.spot.one(Notify(*(self._rules(model, kind) for kind in kinds)))

    def _rules(self, model: NotifyModel, kind: str) -> tuple[Rule, ...]:
        rules: list[RuleModel] = getattr(model, kind) or []
        for rule in rules:
            for name in rule.to:
                if name not in self.spot.known.channels:
                    node = self._where(self.spot.node("notify", kind), name)
                    self.spot.add("unknown-channel", f"there is no channel {name!r}", node.at,
                              help=declare("channel", name, self.spot.known.channels))  # fmt: skip
        return tuple(
            Rule(tuple(rule.to), rule.after, rule.remind, rule.if_, rule.title, rule.body, rule.attach_log)
            for rule in rules
        )

    def _where(self, node: Node, value: str) -> Node:
        """The node below this one that says the value."""
        below: Iterable[Node] = ()
        if isinstance(node, Map):
            below = node.nodes.values()
        elif isinstance(node, Seq):
            below = node.nodes
        for child in below:
            found = self._where(child, value)
            if found.value == value:
                return found
        return node

    def _params(self) -> tuple[Param, ...]:
        found: list[Param] = []
        before = len(self.spot.trouble.problems)
        for name, each in (self.spot.model.params or {}).items():
            options = tuple(each.options or ())
            self._check_param(name, each)
            param = Param(
                name,
                each.type,
                each.default,
                each.required,
                each.description,
                options,
                each.pattern,
                each.min,
                each.max,
            )
            if each.type == "choice" and not options:
                self.spot.add(
                    "missing",
                    f"the choice {name!r} has no options",
                    self.spot.at("params", name),
                    help="write options: [a, b]",
                )
            elif (
                each.default is not None
                and len(self.spot.trouble.problems) == before
                and not (isinstance(each.default, str) and has_expression(each.default))
            ):
                try:
                    value_of(param, each.default)
                except SpecError as error:
                    self.spot.add(
                        "value",
                        f"the default of {error.fact}",
                        self.spot.at("params", name, "default"),
                        help=error.hint,
                    )
            found.append(param)
        return tuple(found)

    def _check_param(self, name: str, param: ParamModel) -> None:
        if param.pattern is not None:
            self.spot.regex(param.pattern, "params", name, "pattern")
        if param.min is not None and param.max is not None and param.min > param.max:
            self.spot.add("value", f"{name}: {param.min:g} at least and {param.max:g} at most leave nothing",
                      self.spot.at("params", name, "max"), help="swap them")  # fmt: skip


def _texts(value: Any) -> Any:
    """Numbers that were not written the shortest way, as they were written."""
    if isinstance(value, Number | Real):
        return str(value)
    if isinstance(value, dict):
        return {name: _texts(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_texts(item) for item in value]
    return value


def _taken_out(value: Any, path: tuple[str | int, ...]) -> bool:
    """Take a key out of a schedule; whether there was one."""
    for part in path[:-1]:
        inside = isinstance(value, dict) or (isinstance(value, list) and isinstance(part, int))
        value = value[part] if inside else None
    return isinstance(value, dict) and value.pop(path[-1], None) is not None


def _said(node: Node | None) -> str:
    """The schedule as people wrote it, in one line."""
    if node is None:
        return ""
    value = node.value
    if isinstance(value, list):
        return "; ".join(_one(item) for item in value)
    return _one(value)


def _one(value: Any) -> str:
    if isinstance(value, dict):
        head = [
            ("" if key == "cron" else f"{key} ") + str(item)
            for key, item in value.items()
            if key in ("cron", "every", "at")
        ]
        rest = [f"{key} {item}" for key, item in value.items() if key not in ("cron", "every", "at")]
        return ", ".join([*head, *rest])
    return str(value)


def _zone_hint(name: str) -> str:
    from zoneinfo import available_timezones

    near = get_close_matches(name, available_timezones(), 1, 0.7)
    if name.isupper() and len(name) < 6:
        return "an abbreviation means several zones: write an IANA name, such as Europe/Oslo or UTC"
    return f"did you mean {near[0]}?" if near else "write an IANA name, such as Europe/Oslo or UTC"
