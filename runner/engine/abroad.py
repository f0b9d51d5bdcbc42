"""Attempts on other hosts, where several runners share one store on a server.

What runs on a host is known there alone: its processes, their marks, their output. So a leader leaves the attempts
that another host began to that host's runner. That one, standing by, takes them over and tells the leader of their
ends as requests (`ended`); it reads in the store what the leader wants stopped. While it has such attempts it also
says every other second that it is there. A host that is silent for two minutes counts as lost with all it ran.

One process at a time speaks for a host, the one that holds the host's lock; only that one may lead.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from runner.core.action import Cancel
from runner.core.event import StepEnded
from runner.core.run import AttemptKey, Outcome, Request, Run, Status
from runner.engine.guarded import Guarded
from runner.engine.hands import Hands
from runner.moment import SECOND, Moment, Span

log = logging.getLogger("runner.engine")

LOOK_EVERY: Span = 2 * SECOND
LOST_AFTER = 60
"""Looks without a sign of life of a host until what it ran counts as interrupted."""


class Host(Protocol):
    """A computer with a state directory. `take`: speak for it, False where another process does."""

    name: str

    def take(self) -> bool: ...

    def give(self) -> None: ...


def under_way(runs: Iterable[Run]) -> Iterable[tuple[Run, AttemptKey, str, str]]:
    """Each attempt that is on record as running: (run, key, host, why it shall end or nothing)."""
    for run in runs:
        for state in run.steps.values():
            if state.status is Status.RUNNING:
                yield run, AttemptKey(run.key, state.id, state.attempt), state.host, state.reason


@dataclass(slots=True)
class Leading:
    """The leader's part: who runs something of ours elsewhere, and whether they are still there."""

    store: Guarded
    source: str
    host: str
    look_at: Span | None = None
    """When to look next, by elapsed time; None while nothing of ours runs elsewhere."""
    _heard: dict[str, tuple[object, int]] = field(default_factory=dict)
    """Host -> its last sign of life, and how often it was looked for since without a new one."""

    def elsewhere(self, runs: Iterable[Run]) -> dict[AttemptKey, str]:
        """Attempt -> its host, of those that another host began."""
        return {key: host for _, key, host, _ in under_way(runs) if host not in ("", self.host)}

    def look(self, runs: Iterable[Run]) -> list[StepEnded]:
        """The ends of attempts whose host is lost. StoreError."""
        attempts = self.elsewhere(runs)
        self._heard = {host: known for host, known in self._heard.items() if host in attempts.values()}
        lost: set[str] = set()
        for host in set(attempts.values()):
            sign = self.store.answer(sign_id(self.source, host))
            before, count = self._heard.get(host, (None, 0))
            count = count + 1 if host in self._heard and before == sign else 0
            self._heard[host] = (sign, count)
            if count >= LOST_AFTER:
                lost.add(host)
        return [
            StepEnded(key, Outcome(Status.INTERRUPTED, error=f"nothing was heard of {host} for two minutes"))
            for key, host in attempts.items()
            if host in lost
        ]


@dataclass(slots=True)
class Tending:
    """The other hosts' part, while they stand by: their own attempts, watched to the end."""

    store: Guarded
    source: str
    host: str
    hands: Hands
    tend_at: Span = 0
    """When to tend next, by elapsed time."""
    _kept: dict[AttemptKey, str] = field(default_factory=dict)
    """What is watched -> the executor that does."""
    _stopped: set[AttemptKey] = field(default_factory=set)
    _words: dict[AttemptKey, Outcome | None] = field(default_factory=dict)
    """What the leader has to be told."""
    _claims: dict[AttemptKey, Moment | None] = field(default_factory=dict)
    """Of attempts that never began: the moment of the start on record that was looked for."""

    @property
    def busy(self) -> bool:
        return bool(self._kept or self._words)

    def ended(self, attempt: AttemptKey, outcome: Outcome | None) -> None:
        """An attempt of this host is over; None: it never began."""
        self._kept.pop(attempt, None)
        self._stopped.discard(attempt)
        self._words[attempt] = outcome

    def handed_over(self) -> dict[AttemptKey, Outcome]:
        """This runner leads now: the ends it has not told anybody."""
        words, self._words = self._words, {}
        self._claims.clear()
        self._kept.clear()
        self._stopped.clear()
        return {key: outcome for key, outcome in words.items() if outcome is not None}

    def tend(self, now: Moment) -> None:
        """Take over what is new, stop what shall end, and tell. StoreError leaves the rest for the next time."""
        live = {
            key: (run, reason)
            for run, key, host, reason in under_way(self.store.live_of(self.source))
            if host == self.host
        }
        self._take_over([run for run, _ in live.values()], live.keys() - self._kept.keys(), set(live))
        for key, name in list(self._kept.items()):
            # What the leader gave up is on record as over: it must not go on.
            reason = live[key][1] if key in live else "shutdown"
            if reason and key not in self._stopped:
                self._stopped.add(key)
                self.hands.cancel(Cancel(key, name, reason))
        for key, outcome in list(self._words.items()):
            if key in live:
                self.store.ask(
                    _word(self.source, self.host, key, outcome, now, claimed=self._claims.get(key))
                )
            else:
                del self._words[key]
                self._claims.pop(key, None)
        if self._kept:
            self.store.ask(
                Request(sign_id(self.source, self.host), self.source, "here", state="done", asked_at=now)
            )

    def _take_over(self, runs: list[Run], new: set[AttemptKey], live: set[AttemptKey]) -> None:
        wanted = new - self._words.keys()
        if not wanted:
            return
        claims = {
            AttemptKey(run.key, state.id, state.attempt): state.started_at
            for run in runs
            for state in run.steps.values()
        }
        found = self.hands.recover({run.key: run for run in runs}.values(), live - wanted)
        for run in runs:
            steps = {step.id: step for step in run.spec.steps}
            for state in run.steps.values():
                key = AttemptKey(run.key, state.id, state.attempt)
                if key in found.alive:
                    self._kept[key] = steps[state.step].executor or run.spec.executor
        # An earlier process of this host may have known more than its marks say, and told it before it died.
        told = told_of(self.store.asked(self.source), self.host, runs) if found.gone else {}
        for key in wanted - found.alive:
            if key in found.gone:
                error = "the machine or the runner went down while it ran"
                self.ended(key, told.get(key) or Outcome(Status.INTERRUPTED, error=error))
            else:
                self.ended(key, found.ended.get(key))
                self._claims[key] = claims[key]


def told_of(asked: Iterable[Request], host: str, runs: Iterable[Run]) -> dict[AttemptKey, Outcome]:
    """The ends that a host has told of attempts that are on record as running there, and nobody has read yet."""
    running = {
        (key.run.job[1:], *key.run[1:], *key[1:]): key
        for _, key, where, _ in under_way(runs)
        if where == host
    }
    found: dict[AttemptKey, Outcome] = {}
    for request in asked:
        args = request.args
        if request.verb == "ended" and args["host"] == host and args["outcome"] is not None:
            run = args["run"]
            key = running.get((run.job[1:], *run[1:], args["step"], args["attempt"]))
            if key is not None:
                found[key] = args["outcome"]
    return found


def sign_id(source: str, host: str) -> str:
    return "here-" + hashlib.sha256(f"{source}\0{host}".encode()).hexdigest()[:24]


def _word(
    source: str, host: str, key: AttemptKey, outcome: Outcome | None, now: Moment, *, claimed: Moment | None
) -> Request:
    """`claimed`: of one that never began, the moment of its start on record: a later claim voids the word."""
    text = f"{source}\0{host}\0{key}\0{outcome is None}\0{claimed}"
    args = {
        "run": key.run,
        "step": key.step,
        "attempt": key.attempt,
        "host": host,
        "outcome": outcome,
    }
    if outcome is None:
        args["claimed"] = claimed
    id = "ended-" + hashlib.sha256(text.encode()).hexdigest()[:24]
    return Request(id, source, "ended", args, asked_at=now)
