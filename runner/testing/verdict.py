"""What was expected beside what was found, key by key, in lines a person understands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from zoneinfo import ZoneInfo

from runner.config import Config
from runner.config.expected import Expected, ExpectedAlert, ExpectedCommand
from runner.core.run import Delivery, Run, Status
from runner.errors import RunnerError
from runner.moment import from_datetime, to_datetime
from runner.notify.compose import message
from runner.testing.playing import Found, play
from runner.testing.rendered import Rendered
from runner.views.run import why

NOBODY = "(none)"


@dataclass(frozen=True, slots=True)
class Difference:
    """A key of `expect` that is not as found; `place` is `file:line`. Each line has its mark: `-` expected and not
    found, `+` found and not expected, none where both agree."""

    key: str
    lines: tuple[tuple[str, str], ...]
    place: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One test and what is not as expected; `error` where it could not be played at all."""

    test: Expected
    differences: tuple[Difference, ...] = ()
    error: str = ""

    @property
    def good(self) -> bool:
        return not self.differences and not self.error


def judge(config: Config, test: Expected) -> Verdict:
    """Play a test, and compare."""
    try:
        found = play(config, test)
    except RunnerError as error:
        return Verdict(test, error=str(error))
    zone = ZoneInfo(next(spec.timezone for spec in config.jobs if spec.id == test.job))
    differences = [
        Difference(key, tuple(lines), test.places.get(key.partition(".")[0], test.place))
        for key, lines in _Compared(test, found, zone).all()
        if any(mark for mark, _ in lines)
    ]
    return Verdict(test, tuple(differences))


Lines = list[tuple[str, str]]


class _Compared:
    def __init__(self, test: Expected, found: Found, zone: ZoneInfo) -> None:
        self.test, self.found, self.zone = test, found, zone

    def all(self) -> list[tuple[str, Lines]]:
        expect = self.test.expect
        result: list[tuple[str, Lines]] = []
        if expect.times is not None:
            result.append(("times", self._times(expect.times)))
        if expect.statuses is not None:
            statuses = [str(run.status) for run in self.found.runs]
            result.append(("statuses", _listed(expect.statuses, statuses)))
        if expect.alerts is not None:
            result.append(("alerts", self._alerts(expect.alerts)))
        if self.found.runs and self.test.start is None:
            result += self._run(self.found.runs[0])
        return result

    def _run(self, run: Run) -> list[tuple[str, Lines]]:
        expect = self.test.expect
        result: list[tuple[str, Lines]] = []
        if expect.status is not None:
            lines = _one(expect.status, str(run.status))
            if len(lines) > 1 and (reason := why(run)):
                lines[-1] = ("+", f"{run.status} ({reason})")
            result.append(("status", lines))
        if expect.reason is not None:
            result.append(("reason", _one(expect.reason, run.reason)))
        for name, count in (expect.attempts or {}).items():
            result.append((f"attempts.{name}", _one(str(count), _attempts(run, name))))
        if expect.order is not None:
            result.append(("order", _listed(expect.order, self._order(expect.order))))
        if expect.skipped is not None:
            skipped = [state.id for state in run.steps.values() if state.status is Status.SKIPPED]
            result.append(("skipped", _listed(sorted(expect.skipped, key=_in(skipped)), skipped)))
        for name, command in (expect.commands or {}).items():
            result += self._command(name, command, self.found.commands)
        return result

    def _times(self, expected: Sequence[str]) -> Lines:
        """As wall clock times; with the offset where the expectation has one, or where it decides."""
        found = [to_datetime(moment, self.zone) for moment in self.found.times]
        labels = [_label(when) for when in found]
        left = list(range(len(found)))
        wanted = []
        for text in expected:
            when = datetime.fromisoformat(text)
            match = next((n for n in left if _same(when, found[n])), None)
            if match is not None:
                left = [n for n in left if n > match]
                wanted.append(labels[match])
            else:
                wanted.append(_label(when.astimezone(self.zone) if when.tzinfo else when))
        return _listed(wanted, labels)

    def _order(self, expected: Sequence[str]) -> list[str]:
        """The order in which steps started; instances count as their step where none is named."""
        if any("[" in name for name in expected):
            return list(self.found.order)
        return list(dict.fromkeys(name.partition("[")[0] for name in self.found.order))

    def _alerts(self, expected: Sequence[ExpectedAlert]) -> Lines:
        jobs = {self.test.job, *(each.job for each in expected)}
        found = [each for each in self.found.alerts if each.news.job.id in jobs]
        shown = [_told(each, self.test.job) for each in found]
        left = list(range(len(found)))
        wanted = []
        for alert in expected:
            match = next((n for n in left if _fits(alert, found[n], self.test.job)), None)
            if match is not None:
                left = [n for n in left if n > match]
                wanted.append(shown[match])
            else:
                wanted.append(_asked(alert))
        return _listed(wanted, shown)

    def _command(
        self, name: str, expected: ExpectedCommand, commands: dict[str, Rendered] | object
    ) -> list[tuple[str, Lines]]:
        assert isinstance(commands, dict)
        key = f"commands.{name}"
        found = commands.get(name)
        if found is None:
            instances = [id for id in commands if id.startswith(f"{name}[")]
            words = f"it has instances: {', '.join(instances)}" if instances else "it did not start"
            return [
                (key, [("-", expected.run or " ".join(expected.command or ()) or "a start"), ("+", words)])
            ]
        result: list[tuple[str, Lines]] = []
        if expected.run is not None:
            wanted = expected.run.strip("\n").split("\n")
            result.append((key, _listed(wanted, found.text.strip("\n").split("\n"))))
        if expected.command is not None:
            argv = list(found.argv) if found.argv is not None else [found.text]
            result.append((key, _listed(list(expected.command), argv)))
        for text in expected.contains:
            if text not in found.whole:
                said = [("+", line) for line in found.whole.strip("\n").split("\n")]
                result.append((f"{key}.contains", [("-", text), *said]))
        for variable, value in expected.env.items():
            result.append((f"{key}.env.{variable}", _one(value, found.env.get(variable, "(not set)"))))
        return result


# ── small things ────────────────────────────────────────────────────────────────────────────


def _one(expected: str, found: str) -> Lines:
    return [("", found)] if expected == found else [("-", expected), ("+", found or NOBODY)]


def _listed(expected: Sequence[str], found: Sequence[str]) -> Lines:
    """The two lists as one, with what is in only one of them marked."""
    if not expected and found:
        return [("-", NOBODY), *(("+", item) for item in found)]
    if expected and not found:
        return [*(("-", item) for item in expected), ("+", NOBODY)]
    lines: Lines = []
    for tag, a, b, c, d in SequenceMatcher(None, expected, found, autojunk=False).get_opcodes():
        if tag == "equal":
            lines += [("", item) for item in expected[a:b]]
        else:
            lines += [("-", item) for item in expected[a:b]]
            lines += [("+", item) for item in found[c:d]]
    return lines


def _in(order: Sequence[str]) -> Callable[[str], int]:
    return lambda name: order.index(name) if name in order else len(order)


def _attempts(run: Run, name: str) -> str:
    """The attempts of a step; of one with instances, those of the one tried most often."""
    counts = [state.attempt for state in run.steps.values() if name in (state.id, state.step)]
    return str(max(counts, default=0))


def _same(expected: datetime, found: datetime) -> bool:
    if expected.tzinfo is not None:
        return from_datetime(expected) == from_datetime(found)
    return expected == found.replace(tzinfo=None)


def _label(when: datetime) -> str:
    return when.isoformat(timespec="auto" if when.second or when.microsecond else "minutes")


def _told(delivery: Delivery, job: str) -> str:
    news = delivery.news
    about = f", job {news.job.id}" if news.job.id != job else ""
    return f"{news.kind} to {delivery.channel}{about}: {message(news).title}"


def _asked(alert: ExpectedAlert) -> str:
    about = f", job {alert.job}" if alert.job is not None else ""
    return f"{alert.kind or 'anything'} to {alert.to or 'anybody'}{about}" + (
        f": {alert.title}" if alert.title else ""
    )


def _fits(expected: ExpectedAlert, found: Delivery, job: str) -> bool:
    news = found.news
    return (
        (expected.to in (None, found.channel))
        and (expected.kind in (None, news.kind))
        and (expected.title is None or expected.title == message(news).title)
        and news.job.id == (expected.job or job)
    )
