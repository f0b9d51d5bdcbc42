"""The entries of `tests:` as values, checked against the jobs they are about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from runner.config.diagnose import Trouble, did_you_mean
from runner.config.document import TestModel
from runner.config.node import Map, find
from runner.errors import SpecError
from runner.moment import Moment, Span, from_datetime
from runner.spec import JobSpec
from runner.spec.params import check

DEFAULT_AT = "2026-01-01"
"""The moment of a run whose test names none: any will do, and the same one every time is what a test needs."""

_OF_SPAN = ("times", "statuses")
_OF_RUN = ("status", "reason", "attempts", "order", "skipped", "commands")


@dataclass(frozen=True, slots=True)
class Fail:
    """How the first `times` attempts of a step fail; None: every one."""

    times: int | None = 1
    exit_code: int = 1
    error: str = ""


@dataclass(frozen=True, slots=True)
class ExpectedAlert:
    """One message; what is None is not compared."""

    to: str | None = None
    kind: str | None = None
    title: str | None = None
    job: str | None = None


@dataclass(frozen=True, slots=True)
class ExpectedCommand:
    """What a step is started with; what is None is not compared."""

    run: str | None = None
    command: tuple[str, ...] | None = None
    contains: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What should be found; what is None is not compared."""

    times: tuple[str, ...] | None = None
    statuses: tuple[str, ...] | None = None
    status: str | None = None
    reason: str | None = None
    attempts: Mapping[str, int] | None = None
    order: tuple[str, ...] | None = None
    skipped: tuple[str, ...] | None = None
    commands: Mapping[str, ExpectedCommand] | None = None
    alerts: tuple[ExpectedAlert, ...] | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """One entry of `tests:`. Either a span (`start`, `end`) is played, or one run at `at`.

    `fail`, `took` and `outputs` are by (job, step). `place` is `file:line`, `places` those of the keys of `expect`.
    """

    job: str
    name: str
    place: str
    start: Moment | None = None
    end: Moment | None = None
    at: Moment = 0
    params: Mapping[str, Any] = field(default_factory=dict)
    fail: Mapping[tuple[str, str], Fail] = field(default_factory=dict)
    took: Mapping[tuple[str, str], Span] = field(default_factory=dict)
    outputs: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    expect: Expectation = Expectation()
    places: Mapping[str, str] = field(default_factory=dict)


def read(
    tests: Iterable[tuple[TestModel, Map]],
    specs: Mapping[str, JobSpec],
    ids: Sequence[str],
    channels: Iterable[str],
    trouble: Trouble,
) -> tuple[Expected, ...]:
    """The tests; what is wrong with one is noted. `ids` are the jobs that are written, also those that are broken."""
    known = list(channels)
    made = (_Test(model, node, specs, ids, known, trouble).expected() for model, node in tests)
    return tuple(test for test in made if test is not None)


class _Test:
    def __init__(
        self,
        model: TestModel,
        node: Map,
        specs: Mapping[str, JobSpec],
        ids: Sequence[str],
        channels: Sequence[str],
        trouble: Trouble,
    ) -> None:
        self.model, self.node, self.specs, self.ids = model, node, specs, ids
        self.channels, self.trouble = channels, trouble

    def expected(self) -> Expected | None:
        spec = self._spec()
        if spec is None:
            return None
        model = self.model
        self._check_shape()
        self._check_steps(spec)
        self._check_channels()
        expect = self._expectation(spec)
        start, end = self._moment("from", model.from_, spec), self._moment("to", model.to, spec)
        if start is not None and end is not None and end <= start:
            self._add("value", "`to` is not after `from`", "to", help="it is the moment before which it ends")
        return Expected(
            job=spec.id,
            name=model.name or self._title(),
            place=self._place(self.node.at),
            start=start,
            end=end,
            at=self._moment("at", model.at or DEFAULT_AT, spec) or 0,
            params=self._params(spec),
            fail={
                self._step(name, spec): Fail(each.times, each.exit_code, each.error)
                for name, each in (model.fail or {}).items()
            },
            took={self._step(name, spec): each for name, each in (model.took or {}).items()},
            outputs={self._step(name, spec): each for name, each in (model.outputs or {}).items()},
            expect=expect,
            places=self._places(),
        )

    def _spec(self) -> JobSpec | None:
        name = self.model.job
        if name in self.specs:
            return self.specs[name]
        several = [id for id in self.specs if id.startswith(f"{name}[")]
        if several:
            help = f"write one of: {', '.join(several[:5])}"
            self._add("unknown-job", f"{name!r} stands for several jobs", "job", help=help)
        elif name.partition("[")[0] not in self.ids and not self._unread():
            help = did_you_mean(name, {*self.specs, *self.ids})
            self._add("unknown-job", f"there is no job {name!r}", "job", help=help)
        return None

    def _unread(self) -> bool:
        """Whether a file could not be read: the job may stand there."""
        return any(problem.kind == "syntax" for problem in self.trouble.problems)

    # ── what goes together ──────────────────────────────────────────────────────────────────

    def _check_shape(self) -> None:
        model = self.model
        span = model.from_ is not None or model.to is not None
        if span and (model.from_ is None or model.to is None):
            given, other = ("from", "to") if model.to is None else ("to", "from")
            self._add(
                "missing", f"`{given}` needs `{other}`", given, help=f"write `{other}: 2026-12-31` beside it"
            )
        for key in ("at", "params") if span else ():
            if getattr(model, key) is not None:
                self._add("conflict", f"`{key}` is about one run, `from` and `to` about those of the schedule", key,
                          help="make two tests of it")  # fmt: skip
        said = [name for name in model.expect.model_fields_set if getattr(model.expect, name) is not None]
        if not said:
            self._add("missing", "nothing is expected", "expect", help="write `expect: {status: succeeded}`")
        for key in said:
            if key in _OF_SPAN and not span:
                self._add("missing", f"`{key}` are expected, and no days", "expect", key,
                          help="write `from: 2026-03-28` and `to: 2026-03-31` beside `expect`")  # fmt: skip
            if key in _OF_RUN and span:
                self._add("conflict", f"`{key}` is about one run, `from` and `to` about several", "expect", key,
                          help="write `at: 2026-03-28T02:00` instead of `from` and `to`")  # fmt: skip

    def _check_steps(self, spec: JobSpec) -> None:
        model, expect = self.model, self.model.expect
        for key in ("fail", "took", "outputs"):
            for name in getattr(model, key) or ():
                job, step = self._step(name, spec)
                if job not in self.specs:
                    self._add(
                        "unknown-job",
                        f"there is no job {job!r}",
                        key,
                        name,
                        help=did_you_mean(job, self.specs),
                    )
                else:
                    self._check_step(self.specs[job], step, key, name)
        for key in ("attempts", "commands"):
            for name in getattr(expect, key) or ():
                self._check_step(spec, name, "expect", key, name)
        for key in ("order", "skipped"):
            for number, name in enumerate(getattr(expect, key) or ()):
                self._check_step(spec, name, "expect", key, number)

    def _check_step(self, spec: JobSpec, name: str, *path: str | int) -> None:
        steps = [step.id for step in spec.steps]
        if name.partition("[")[0] not in steps:
            fact = f"the job {spec.id!r} has no step {name!r}"
            self._add("unknown-step", fact, *path, help=did_you_mean(name, steps))

    def _check_channels(self) -> None:
        for number, alert in enumerate(self.model.expect.alerts or ()):
            if alert.to is not None and alert.to not in self.channels:
                help = did_you_mean(alert.to, self.channels) or "write it under `channels`"
                self._add("unknown-channel", f"there is no channel {alert.to!r}", "expect", "alerts", number, "to",
                          help=help)  # fmt: skip

    # ── values ──────────────────────────────────────────────────────────────────────────────

    def _step(self, name: str, spec: JobSpec) -> tuple[str, str]:
        """`step` of this job, or `job.step` of one it waits for."""
        base = name[: name.rindex("[")] if name.endswith("]") and "[" in name else name
        job, dot, _ = base.rpartition(".")
        return (job, name[len(job) + 1 :]) if dot else (spec.id, name)

    def _moment(self, key: str, text: str | None, spec: JobSpec) -> Moment | None:
        if text is None:
            return None
        moment = moment_of(text, spec.timezone)
        if moment is None:
            self._add(
                "value",
                f"{text!r} is neither a day nor a moment",
                key,
                help="write 2026-03-28, or 2026-03-28T02:00",
            )
        return moment

    def _params(self, spec: JobSpec) -> dict[str, Any]:
        try:
            return check(spec.params, self.model.params or {}) if self.model.from_ is None else {}
        except SpecError as error:
            self._add("value", error.fact, "params", help=error.hint)
            return {}

    def _expectation(self, spec: JobSpec) -> Expectation:
        expect = self.model.expect
        for number, text in enumerate(expect.times or ()):
            if moment_of(text, spec.timezone) is None:
                self._add("value", f"{text!r} is not a moment", "expect", *self._below("times"), number,
                          help="write 2026-03-28T02:00")  # fmt: skip
        commands = {
            name: ExpectedCommand(
                each.run,
                tuple(each.command) if each.command is not None else None,
                tuple(each.contains or ()),
                dict(each.env or {}),
            )
            for name, each in (expect.commands or {}).items()
        }
        alerts = (ExpectedAlert(each.to, each.kind, each.title, each.job) for each in expect.alerts or ())
        return Expectation(
            times=_tuple(expect.times),
            statuses=_tuple(expect.statuses),
            status=expect.status,
            reason=expect.reason,
            attempts=expect.attempts,
            order=_tuple(expect.order),
            skipped=_tuple(expect.skipped),
            commands=commands if expect.commands is not None else None,
            alerts=tuple(alerts) if expect.alerts is not None else None,
        )

    def _title(self) -> str:
        """What is tested, where nobody says."""
        model = self.model
        if model.from_ is not None:
            parts = [f"{model.from_} to {model.to}"]
        else:
            parts = [f"a run at {model.at}"] if model.at is not None else ["a run"]
        parts += [f"{name}={value}" for name, value in (model.params or {}).items()]
        for name, fail in (model.fail or {}).items():
            often = "always" if fail.times is None else f"{fail.times} times" if fail.times != 1 else "once"
            parts.append(f"{name} fails {often}")
        return ", ".join(parts)

    # ── places ──────────────────────────────────────────────────────────────────────────────

    def _below(self, key: str) -> tuple[str, ...]:
        """The path of a key of `expect`, which may be left out where it is the only one."""
        return (key,) if isinstance(self.node.nodes["expect"], Map) else ()

    def _places(self) -> dict[str, str]:
        expect = self.node.nodes["expect"]
        if isinstance(expect, Map):
            return {key: self._place(at) for key, at in expect.keys.items()}
        return {"times": self._place(self.node.keys["expect"])}

    def _place(self, at: Any) -> str:
        source, line, _ = at
        return f"{source.file}:{source.first_line + line}"

    def _add(self, kind: str, fact: str, *path: str | int, help: str = "") -> None:
        parent = find(self.node, path[:-1])
        at = find(self.node, path).at
        if (
            isinstance(parent, Map)
            and path[-1] in parent.keys
            and isinstance(parent.nodes[str(path[-1])], Map)
        ):
            at = parent.keys[str(path[-1])]
        self.trouble.add(kind, fact, at, help=help, key=".".join(map(str, ("tests", *path))))


def moment_of(text: str, zone: str) -> Moment | None:
    """A day or a moment, in `zone` where it names no offset; None where it is neither."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return from_datetime(when if when.tzinfo is not None else when.replace(tzinfo=ZoneInfo(zone)))


def _tuple(items: Sequence[str] | None) -> tuple[str, ...] | None:
    return tuple(items) if items is not None else None


def pairs(models: Sequence[TestModel] | None, node: Any) -> Iterator[tuple[TestModel, Map]]:
    """Each test with its place in the file."""
    for model, each in zip(models or (), getattr(node, "nodes", ()), strict=True):
        if isinstance(each, Map):
            yield model, each
