"""Hot reload: a file is read aside, checked whole, and swapped in one turn; a bad one changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from runner.amounts import few
from runner.config import Config
from runner.core.event import Added, Changed, Configured, Event, Removed, Rezoned, Settings
from runner.core.machine import Machine
from runner.core.reload import changes, shrinks
from runner.errors import RunnerError
from runner.moment import Moment


class Shrunk(RunnerError):
    """The file suddenly lacks most of its jobs: held back until somebody says it is meant."""


@dataclass(slots=True)
class Difference:
    """What a reload did, by job id."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: int = 0

    @classmethod
    def of(cls, events: Sequence[Event], jobs: int) -> Difference:
        difference = cls()
        for event in events:
            match event:
                case Added(spec):
                    difference.added.append(spec.id)
                case Changed(spec):
                    difference.changed.append(spec.id)
                case Removed(key):
                    difference.removed.append(key.id)
                case _:
                    pass
        difference.unchanged = jobs - len(difference.added) - len(difference.changed)
        return difference

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def __str__(self) -> str:
        parts = [
            f"{len(ids)} {word} ({few(ids)})"
            for word, ids in (("added", self.added), ("changed", self.changed), ("removed", self.removed))
            if ids
        ]
        return ", ".join([*parts, f"{self.unchanged} unchanged"])


@dataclass(slots=True)
class Swap:
    """The plan that makes a machine follow a configuration; `difference` is known once it ran."""

    config: Config
    allow_shrink: bool = False
    first: Callable[[], Settings] | None = None
    """Done before the events, on the clock thread: what new jobs need must be there. Its settings are theirs."""
    difference: Difference = field(default_factory=Difference)
    rezone: bool = False
    """Whether the rules of time zones may have changed since the planned times were worked out."""

    def adopt(self, _now: Moment) -> None:
        """Only what comes before the events: for a runner that stands by."""
        if self.first is not None:
            self.first()

    def __call__(self, machine: Machine, now: Moment) -> Sequence[Event]:
        guard(machine, self.config, allow=self.allow_shrink)
        events: list[Event] = [Configured(self.first())] if self.first is not None else []
        if self.rezone:
            events.append(Rezoned())
        events += changes(machine.jobs, self.config.jobs)
        self.difference = Difference.of(events, len(self.config.jobs))
        return events


def guard(machine: Machine, config: Config, *, allow: bool) -> None:
    """Raise Shrunk where the file lost more than half of five or more jobs, or all of them."""
    if allow or not shrinks(machine.jobs, config.jobs):
        return
    known, wanted = len(machine.jobs), len(config.jobs)
    raise Shrunk(
        f"{config.path} now has {wanted} of the {known} jobs it had; nothing was changed",
        hint="if that is meant: runner reload --allow-shrink, or runner serve --allow-shrink",
    )


def new_addresses(running: Config) -> Callable[[str], str]:
    """Says what is wrong with a channel's address that an edit brings, as `runner validate` does.

    Those in use are as good as they were, and what knows a hundred services is not loaded for them.
    """
    known = {url for channel in running.channels.values() for url in channel.urls}

    def address(url: str) -> str:
        if url in known:
            return ""
        from runner.notify.targets import check

        return check(url)

    return address


def meanwhile(config: Config, *, allow_shrink: bool = False) -> Callable[[Machine, Moment], Sequence[Event]]:
    """What a start settles before it decides the occurrences of the downtime.

    Those follow the schedule the job had then, but what runs is what the file says now, never what the store says.
    """

    def plan(machine: Machine, now: Moment) -> Sequence[Event]:
        guard(machine, config, allow=allow_shrink)
        events: list[Event] = []
        for event in changes(machine.jobs, config.jobs):
            if isinstance(event, Changed):
                known = machine.jobs[event.spec.key].spec
                events.append(Changed(replace(event.spec, trigger=known.trigger)))
            elif isinstance(event, Removed):
                events.append(event)
        return events

    return plan
