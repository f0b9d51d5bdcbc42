"""From a checked document of one job to its specification: sugar is lowered, references are looked up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo

from runner.config.diagnose import Trouble, did_you_mean
from runner.config.document import JobModel, NotifyModel, RuleModel, StepModel, Work
from runner.config.merge import Whole, place_of
from runner.config.node import Map, Node, Number, Real, Seq, find
from runner.errors import ExpressionError, SpecError, TriggerError
from runner.expressions import has_expression, lift, refuse
from runner.spec import (
    After,
    Call,
    Catchup,
    Command,
    Concurrency,
    Foreach,
    Http,
    JobSpec,
    Limits,
    Notify,
    OnlyAfter,
    Param,
    Policy,
    Retention,
    Retry,
    Rule,
    Sla,
    Step,
    Success,
)
from runner.spec.params import value_of
from runner.spec.step import Work as SpecWork
from runner.triggers.base import Trigger
from runner.triggers.calendars import Calendar
from runner.triggers.schedule import build

SHELLS: Mapping[str, tuple[str, ...]] = {
    "sh": ("sh", "-e"),
    "bash": ("bash", "-eo", "pipefail"),
    "python": ("python3",),
}
ONLY_STEP = "main"
"""The id of the step of a job that has no `steps`."""

_WORK = ("run", "command", "python", "http")
_PER_STEP = (
    "shell working_dir user clean_env success limits stop_signal stop_grace_period retry executor".split(" ")
)


@dataclass(frozen=True, slots=True)
class Known:
    """The names a job may refer to, and the values that hold for all jobs."""

    channels: Mapping[str, Any]
    executors: Mapping[str, Any]
    groups: Mapping[str, int]
    calendars: Mapping[str, Calendar]
    env: Mapping[str, str]
    env_files: tuple[str, ...]
    source: str
    timezone: str


def job_spec(whole: Whole, model: JobModel, known: Known, trouble: Trouble) -> JobSpec:
    """The specification; what is wrong is noted in `trouble`, and the result is of use only where nothing is."""
    return _Job(whole, model, known, trouble).spec()


class _Job:
    def __init__(self, whole: Whole, model: JobModel, known: Known, trouble: Trouble) -> None:
        self.whole = whole
        self.model = model
        self.known = known
        self.trouble = trouble

    def spec(self) -> JobSpec:
        model, known = self.model, self.known
        zone = self._zone()
        trigger = self._trigger(zone)
        for word in ("watch", "webhook"):
            if getattr(model, word) is not None:
                self._add(
                    "not-yet", f"`{word}` is not yet available", self.at(word), help="use a schedule for now"
                )
        steps = self._steps()
        if model.only_after is not None and trigger is None:
            self._add("missing", "`only_after` gates a schedule, and there is none", self.at("only_after"),
                      help="add a schedule, or use `after` to start when the other job ends")  # fmt: skip
        return JobSpec(
            id=self.whole.id,
            steps=steps,
            trigger=trigger,
            policy=self._policy(),
            source=known.source,
            name=model.name or "",
            description=model.description or "",
            owner=model.owner or "",
            runbook=model.runbook or "",
            tags=tuple(model.tags or ()),
            executor=self._named("executor", model.executor, known.executors) or "default",
            timezone=zone,
            env={**known.env, **(model.env or {})},
            env_files=(*known.env_files, *(model.env_file or ())),
            vars=self.whole.vars,
            matrix=self.whole.matrix,
            params=self._params(),
            notify=self._notify(),
            after=tuple(After(each.job, each.on) for each in model.after or ()),
            only_after=OnlyAfter(model.only_after.job, model.only_after.within) if model.only_after else None,
            enabled=model.enabled,
            heartbeat=model.heartbeat,
            schedule=_said(self.whole.node.nodes.get("schedule")),
        )

    # ── places ──────────────────────────────────────────────────────────────────────────────

    def node(self, *path: str | int) -> Node:
        return find(self.whole.node, path)

    def at(self, *path: str | int) -> Any:
        """The place of a value; of a key that has none, the place of what holds it."""
        parent = find(self.whole.node, path[:-1])
        if path and isinstance(parent, Map) and path[-1] in parent.keys:
            node = parent.nodes[str(path[-1])]
            return node.at
        return find(self.whole.node, path).at

    def _add(self, kind: str, fact: str, at: Any, *, help: str = "") -> None:
        self.trouble.add(kind, fact, at, help=help, key=f"jobs.{self.whole.id}")

    def _named(self, key: str, name: str | None, names: Mapping[str, Any], *path: str | int) -> str | None:
        if name is not None and name not in names:
            word = {"executor": "executor", "group": "group"}.get(key, key)
            self._add(
                f"unknown-{word}",
                f"there is no {word} {name!r}",
                self.at(*path, key),
                help=_declare(word, name, names),
            )
        return name

    # ── when ────────────────────────────────────────────────────────────────────────────────

    def _zone(self) -> str:
        name = self.model.timezone
        if name is None:
            return self.known.timezone
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            self._add(
                "unknown-timezone",
                f"there is no time zone {name!r}",
                self.at("timezone"),
                help=_zone_hint(name),
            )
            return "UTC"
        return name

    def _trigger(self, zone: str) -> Trigger | None:
        node = self.whole.node.nodes.get("schedule")
        if node is None:
            return None
        value = _texts(node.value)
        try:
            return build(value, timezone=zone, job_id=self.whole.id, calendars=self.known.calendars)
        except TriggerError as error:
            place = find(node, error.path)
            fact = error.fact
            at = place.at
            if (
                isinstance(place, Map)
                and error.path
                and isinstance(error.path[-1], str)
                and error.path[-1] in place.keys
            ):
                at = place.keys[error.path[-1]]
            self._add("schedule", fact, at, help=error.hint)
            return None

    # ── policies ────────────────────────────────────────────────────────────────────────────

    def _policy(self) -> Policy:
        model = self.model
        c, u, sla, kept = model.concurrency, model.catchup, model.sla, model.retention
        concurrency = Concurrency()
        if c is not None:
            most = c.max if c.max is not None else (None if c.overlap == "allow" else 1)
            concurrency = Concurrency(c.overlap, most, c.group)
            self._named("group", c.group, self.known.groups, "concurrency")
        return Policy(
            concurrency=concurrency,
            catchup=Catchup(u.runs, u.window, u.max) if u is not None else Catchup(),
            priority=model.priority or 0,
            timeout=model.timeout,
            on_interrupt=model.on_interrupt or "fail",
            sla=Sla(sla.start_within, sla.max_duration, sla.finish_by, sla.success_every) if sla is not None else Sla(),
            retention=Retention(kept.runs, kept.age, kept.logs, kept.bytes) if kept is not None else Retention(),
        )  # fmt: skip

    def _notify(self) -> Notify:
        model = self.model.notify
        if model is None:
            return Notify()
        return Notify(
            *(self._rules(model, kind) for kind in ("on_failure", "on_recovery", "on_late", "on_success"))
        )

    def _rules(self, model: NotifyModel, kind: str) -> tuple[Rule, ...]:
        rules: list[RuleModel] = getattr(model, kind) or []
        for rule in rules:
            for name in rule.to:
                if name not in self.known.channels:
                    node = self._where(self.node("notify", kind), name)
                    self._add("unknown-channel", f"there is no channel {name!r}", node.at,
                              help=_declare("channel", name, self.known.channels))  # fmt: skip
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
        for name, each in (self.model.params or {}).items():
            options = tuple(each.options or ())
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
                self._add(
                    "missing",
                    f"the choice {name!r} has no options",
                    self.at("params", name),
                    help="write options: [a, b]",
                )
            elif each.default is not None and not (
                isinstance(each.default, str) and has_expression(each.default)
            ):
                try:
                    value_of(param, each.default)
                except SpecError as error:
                    self._add(
                        "value",
                        f"the default of {error.fact}",
                        self.at("params", name, "default"),
                        help=error.hint,
                    )
            found.append(param)
        return tuple(found)

    # ── steps ───────────────────────────────────────────────────────────────────────────────

    def _steps(self) -> tuple[Step, ...]:
        model = self.model
        if model.steps is None:
            return (self._only_step(),)
        for word in _WORK:
            if getattr(model, word) is not None:
                self._add(
                    "conflict",
                    f"a job has either `{word}` or `steps`",
                    self.at(word),
                    help=f"make `{word}` a step",
                )
        steps: list[Step] = []
        seen: dict[str, int] = {}
        ids = [each.id or f"step{number}" for number, each in enumerate(model.steps, 1)]
        for number, (id, each) in enumerate(zip(ids, model.steps, strict=True)):
            if id in seen:
                self._add(
                    "duplicate",
                    f"two steps are called {id!r}",
                    self.at("steps", number, "id"),
                    help="rename one",
                )
            seen[id] = number
            needs = tuple(each.needs) if each.needs is not None else ((ids[number - 1],) if number else ())
            for need in needs:
                if need not in ids:
                    self._add(
                        "unknown-step",
                        f"there is no step {need!r}",
                        self.at("steps", number, "needs"),
                        help=did_you_mean(need, ids),
                    )
            steps.append(self._step(id, each, needs, ("steps", number)))
        self._find_cycle(steps)
        return tuple(steps)

    def _only_step(self) -> Step:
        model = self.model
        return Step(
            ONLY_STEP,
            self._work(model, model, ()),
            retry=_retry(model),
            outputs=dict(model.outputs or {}),
            artifacts=tuple(model.artifacts.paths) if model.artifacts else (),
        )

    def _step(self, id: str, model: StepModel, needs: tuple[str, ...], path: tuple[str | int, ...]) -> Step:
        foreach = None
        if model.foreach is not None and model.matrix is not None:
            self._add(
                "conflict",
                "a step has either `foreach` or `matrix`",
                self.at(*path, "matrix"),
                help="keep one",
            )
        if model.foreach is not None or model.matrix is not None:
            items = model.foreach if isinstance(model.foreach, str) else tuple(model.foreach or ())
            # Where a failure is no failure, it is no reason to stop the others, unless somebody says so.
            fast = model.fail_fast if model.fail_fast is not None else not model.continue_on_error
            foreach = Foreach(
                items if model.foreach is not None else None, model.matrix, model.max_parallel, fast
            )
        else:
            for word in ("max_parallel", "fail_fast"):
                if getattr(model, word) is not None:
                    self._add("conflict", f"`{word}` bounds the instances of a step, and there is one",
                              self.at(*path, word), help="add `foreach` or `matrix`, or take it out")  # fmt: skip
        self._named("executor", model.executor, self.known.executors, *path)
        self._named("group", model.group, self.known.groups, *path)
        return Step(
            id,
            self._work(model, self.model, path),
            needs,
            model.name or "",
            model.if_,
            _retry(model, self.model),
            model.timeout,
            model.executor,
            dict(model.env or {}),
            dict(model.outputs or {}),
            foreach,
            bool(model.continue_on_error),
            model.group,
            tuple(model.artifacts.paths) if model.artifacts else (),
        )

    def _work(self, model: Work, outer: Work, path: tuple[str | int, ...]) -> SpecWork:
        """What is done: exactly one of `run`, `command`, `python` and `http`."""
        given = [word for word in _WORK if getattr(model, word) is not None]
        if len(given) != 1:
            if given:
                self._add(
                    "conflict",
                    f"`{given[0]}` and `{given[1]}` stand side by side",
                    self.at(*path, given[1]),
                    help="keep one",
                )
            else:
                where = self.node(*path).at
                name = (
                    f"step {path[-1] + 1}" if path and isinstance(path[-1], int) else f"job {self.whole.id!r}"
                )
                self._add(
                    "missing",
                    f"{name} has nothing to run",
                    where,
                    help="add `run: echo hello`, or command, python, http",
                )
            return Command(script="")
        directory = _either(model, outer, "working_dir")
        if model.with_ is not None and model.python is None:
            self._add("conflict", "`with` hands arguments to a `python` step", self.at(*path, "with"),
                      help="use env for commands, params for runs")  # fmt: skip
        if model.python is not None:
            return self._call(model, directory, path)
        if model.http is not None:
            return self._http(model, path)
        return self._command(model, outer, directory, path)

    def _command(
        self, model: Work, outer: Work, directory: str | None, path: tuple[str | int, ...]
    ) -> Command:
        named = _either(model, outer, "shell") or ["sh"]
        shell = SHELLS.get(named[0], (named[0],)) if len(named) == 1 else tuple(named)
        if model.run is not None:
            self._check_script(model.run, named, path)
        elif model.command is not None and not model.command:
            self._add(
                "missing", "the command is empty", self.at(*path, "command"), help="write [program, argument]"
            )
        success, limits = _either(model, outer, "success"), _either(model, outer, "limits")
        codes = tuple(success.exit_codes) if success is not None else (0,)
        grace = _either(model, outer, "stop_grace_period")
        return Command(
            model.run,
            tuple(model.command) if model.command is not None else None,
            shell,
            directory,
            _either(model, outer, "user"),
            _either(model, outer, "stop_signal") or "SIGTERM",
            10_000_000 if grace is None else grace,
            Success(codes, success.fail_on_output if success is not None else None),
            Limits(limits.cpus, limits.memory, limits.pids) if limits is not None else None,
            bool(_either(model, outer, "clean_env")),
        )

    def _check_script(self, script: str, shell: list[str], path: tuple[str | int, ...]) -> None:
        if not script.strip():
            self._add("missing", "`run` is empty", self.at(*path, "run"), help="write run: echo hello")
            return
        if not has_expression(script):
            return
        node = self.node(*path, "run")
        program = shell[0].rsplit("/", 1)[-1]
        try:
            if program in ("sh", "dash", "bash", "ash", "ksh", "zsh"):
                for warning in lift(script, "bash" if program in ("bash", "zsh", "ksh") else "sh").warnings:
                    self.trouble.add(
                        "injection", warning, node.at, level="warning", help="hand it over by env"
                    )
            else:
                refuse(script, program)
        except ExpressionError as error:
            self._add("expression", error.fact, place_of(node, error.offset), help=error.hint)

    def _call(self, model: Work, directory: str | None, path: tuple[str | int, ...]) -> Call:
        target = model.python or ""
        module, colon, name = target.partition(":")
        if not (colon and all(part.isidentifier() for part in [*module.split("."), *name.split(".")])):
            self._add(
                "value",
                f"{target!r} does not name a function",
                self.at(*path, "python"),
                help="write package.module:function",
            )
        values = model.with_ or {}
        return Call(target, kwargs=values, rendered=_any_expression(values), working_dir=directory)

    def _http(self, model: Work, path: tuple[str | int, ...]) -> Http:
        http = model.http
        assert http is not None
        requests = http.request()
        if len(requests) != 1:
            self._add("value", "an http step has exactly one method with its URL", self.at(*path, "http"),
                      help="write http: {get: https://example.com/health}")  # fmt: skip
            return Http("GET", "")
        method, url = requests[0]
        return Http(
            method.upper(), url, dict(http.headers), http.json_, http.body, tuple(http.expect), http.timeout
        )

    def _find_cycle(self, steps: list[Step]) -> None:
        needs = {step.id: step.needs for step in steps}
        done: set[str] = set()
        for start in needs:
            chain: list[str] = []
            self._walk(start, needs, chain, done)

    def _walk(self, id: str, needs: Mapping[str, tuple[str, ...]], chain: list[str], done: set[str]) -> None:
        if id in done or id not in needs:
            return
        if id in chain:
            ring = " -> ".join([*chain[chain.index(id) :], id])
            self._add(
                "cycle", f"steps need each other: {ring}", self.at("steps"), help="take one `needs` out"
            )
            done.update(chain)
            return
        chain.append(id)
        for need in needs[id]:
            self._walk(need, needs, chain, done)
        chain.pop()
        done.add(id)


# ── small things ────────────────────────────────────────────────────────────────────────────


def _either(model: Work, outer: Work, name: str) -> Any:
    value = getattr(model, name)
    return value if value is not None else getattr(outer, name)


def _retry(model: Work, outer: Work | None = None) -> Retry:
    found = model.retry if model.retry is not None or outer is None else outer.retry
    if found is None:
        return Retry()
    codes = tuple(found.exit_codes) if found.exit_codes is not None else None
    return Retry(found.max, found.delay, found.backoff, found.max_delay, found.jitter, codes)


def _texts(value: Any) -> Any:
    """Numbers that were not written the shortest way, as they were written."""
    if isinstance(value, Number | Real):
        return str(value)
    if isinstance(value, dict):
        return {name: _texts(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_texts(item) for item in value]
    return value


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


def _any_expression(value: Any) -> bool:
    if isinstance(value, str):
        return has_expression(value)
    if isinstance(value, dict):
        return any(_any_expression(item) for item in value.values())
    return isinstance(value, list) and any(_any_expression(item) for item in value)


def _declare(word: str, name: str, names: Iterable[str]) -> str:
    found = list(names)
    if get_close_matches(name, found, 1):
        return did_you_mean(name, found)
    there = f"; there are: {', '.join(sorted(found))}" if found else ""
    return f"declare it under `{word}s:`{there}"


def _zone_hint(name: str) -> str:
    from zoneinfo import available_timezones

    near = get_close_matches(name, available_timezones(), 1, 0.7)
    return f"did you mean {near[0]}?" if near else "write an IANA name, such as Europe/Oslo or UTC"
