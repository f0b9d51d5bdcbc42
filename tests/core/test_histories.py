"""Random histories of the machine: whatever happens, and wherever the runner dies, the invariants hold."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from typing import Any, Literal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from runner.core.action import Start
from runner.core.admission import limit
from runner.core.event import (
    Added,
    Broken,
    CancelAsked,
    Changed,
    Configured,
    Fired,
    Maintenance,
    Paused,
    Removed,
    Resumed,
    Settings,
)
from runner.core.live import CATCH_UP
from runner.core.run import Occurrence, Run, Status, StepRun
from runner.core.timing import start_of
from runner.moment import DAY, HOUR, MINUTE, SECOND, Moment
from runner.simulation import Scripted
from runner.spec import (
    After,
    Call,
    Catchup,
    Concurrency,
    Foreach,
    JobSpec,
    Notify,
    Policy,
    Retry,
    Rule,
    Step,
)
from runner.triggers.base import Trigger
from runner.triggers.date import DateTrigger
from runner.triggers.interval import IntervalTrigger
from runner.triggers.schedule import build
from tests.core.history_player import Died, MortalSimulation

START: Moment = 1_780_000_000 * SECOND
IDS = ("alpha", "beta", "gamma")
SCHEDULES = ("every 7s", "every 1m", "*/2 * * * *", "0 * * * *", "30 2 * * *", None)
GROUPS = ("narrow", "wide")
TRIGGERS = {
    text: build(text, timezone="Europe/Berlin", job_id="x", calendars={}) for text in SCHEDULES if text
}

spans = st.sampled_from((SECOND, 9 * SECOND, 61 * SECOND, 5 * MINUTE))
long_spans = st.sampled_from((SECOND, 61 * SECOND, 20 * MINUTE, 3 * HOUR, DAY + 1))


def step(id: str, *needs: str, **rest: Any) -> Step:
    return Step(id, Call("nothing:here"), needs=needs, **rest)


@st.composite
def steps(draw: st.DrawFn) -> tuple[Step, ...]:
    retry = draw(st.sampled_from((Retry(), Retry(2, 5 * SECOND, 2.0), Retry(1))))
    timeout = draw(st.sampled_from((None, 5 * SECOND)))
    match draw(st.integers(0, 3)):
        case 0:
            return (step("main", retry=retry, timeout=timeout),)
        case 1:
            return (
                step("a", retry=retry),
                step("b", "a", timeout=timeout, group=draw(st.sampled_from((None, "narrow")))),
                step("c", "a", continue_on_error=draw(st.booleans())),
                step("last", "b", "c", condition="always()"),
            )
        case 2:
            each = Foreach(("x", "y", "x", 4), None, draw(st.sampled_from((None, 2))), draw(st.booleans()))
            return (step("a"), step("each", "a", foreach=each, retry=retry), step("end", "each"))
        case _:
            return (step("never", condition="false"), step("then", "never", executor="processes"))


@st.composite
def specs(draw: st.DrawFn, id: str) -> JobSpec:
    schedule = draw(st.sampled_from(SCHEDULES))
    concurrency = Concurrency(
        draw(st.sampled_from(("skip", "queue", "replace", "allow"))),
        draw(st.sampled_from((1, 2))),
        draw(st.sampled_from((None, *GROUPS))),
    )
    catchup = Catchup(
        draw(st.sampled_from(("none", "latest", "all"))),
        draw(st.sampled_from((None, 5 * MINUTE))),
        draw(st.sampled_from((3, 20))),
    )
    after = draw(st.sampled_from(((), (), (After("alpha", "always"),))))
    return JobSpec(
        id,
        draw(steps()),
        TRIGGERS[schedule] if schedule else None,
        Policy(
            concurrency,
            catchup,
            grace=draw(st.sampled_from((None, None, 30 * SECOND))),
            jitter=draw(st.sampled_from((0, 0, 4 * SECOND))),
            priority=draw(st.integers(-1, 1)),
            timeout=draw(st.sampled_from((None, 20 * SECOND))),
            on_interrupt=draw(st.sampled_from(("fail", "retry"))),
        ),
        source="/jobs.yaml",
        timezone="Europe/Berlin",
        after=after if id != "alpha" else (),
        notify=Notify(on_failure=(Rule(to=("chat",), remind=HOUR),), on_recovery=(Rule(to=("chat",)),)),
        enabled=draw(st.sampled_from((True, True, True, False))),
        remove_when_done=draw(st.booleans()),
    )


class Histories(RuleBasedStateMachine):
    """What the test knows by itself: which slots each job owes (`owed`), and how many may be in a place."""

    def __init__(self) -> None:
        super().__init__()
        self.seed = 0
        self.simulation = MortalSimulation(start=START)
        self.set_back = False
        self.removed: set[str] = set()
        self.owed: dict[str, set[Moment]] = {id: set() for id in IDS}
        self.since: dict[str, tuple[Trigger, Moment] | None] = dict.fromkeys(IDS)
        self.reach: dict[tuple[str, str], int] = {}

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.seed = seed
        settings = Settings({"narrow": 1, "wide": 2}, {"default": 3, "processes": None}, queue_limit=4)
        self.simulation = MortalSimulation(start=START, script=self._script, settings=settings)

    def _script(self, start: Start) -> Scripted:
        """Outcomes follow from the attempt, so that a failing history plays again."""
        digest = hashlib.blake2b(f"{self.seed}{start.attempt}".encode(), digest_size=4).digest()
        status = Status.SUCCEEDED if digest[0] < 170 else Status.FAILED
        took = (0, SECOND, 8 * SECOND, 90 * SECOND)[digest[1] % 4]
        return Scripted(status, took, stops=(0, 2 * SECOND)[digest[2] % 2], outputs={"n": digest[3]})

    # ── what happens ────────────────────────────────────────────────────────────────────────

    def _known(self, id: str) -> Any:
        return next((key for key in self.simulation.jobs if key.id == id), None)

    @property
    def up(self) -> bool:
        return self.simulation.machine is not None

    def _owes(self, id: str, spec: JobSpec | None) -> None:
        """From now on the job owes the slots of this spec; those of the one before up to now stay owed."""
        now, before = self.simulation.now, self.since[id]
        if before is not None:
            self.owed[id] |= _slots(*before, now)
        counts = spec is not None and spec.enabled and spec.trigger is not None
        self.since[id] = (spec.trigger, now) if counts and spec is not None and spec.trigger else None

    @precondition(lambda self: self.up)
    @rule(id=st.sampled_from(IDS), data=st.data())
    def declare(self, id: str, data: st.DataObject) -> None:
        spec = data.draw(specs(id))
        key = self._known(id)
        before = self.simulation.jobs.get(key)
        if before is None:
            self._handle(Added(spec))
            self._owes(id, spec)
        elif before.spec != spec:
            self._handle(Changed(spec))
            if before.spec.trigger != spec.trigger or before.spec.enabled != spec.enabled:
                self._owes(id, spec)

    @precondition(lambda self: self.up)
    @rule(id=st.sampled_from(IDS))
    def remove(self, id: str) -> None:
        key = self._known(id)
        if key is not None:
            self._handle(Removed(key))
            self.removed.add(id)
            self._owes(id, None)

    @precondition(lambda self: self.up)
    @rule(
        id=st.sampled_from(IDS), what=st.sampled_from(("pause", "pause a while", "resume", "fire", "break"))
    )
    def command(self, id: str, what: str) -> None:
        key = self._known(id)
        if key is None:
            return
        match what:
            case "pause":
                self._handle(Paused(key))
            case "pause a while":
                self._handle(Paused(key, self.simulation.now + 30 * SECOND))
            case "resume":
                self._handle(Resumed(key))
                job = self.simulation.jobs.get(key)
                if (
                    self.since[id] is None
                    and job is not None
                    and job.spec.trigger
                    and job.state == "scheduled"
                ):
                    # It was disabled in the file, and somebody wanted it all the same.
                    self.since[id] = (job.spec.trigger, self.simulation.now)
            case "fire":
                self._handle(Fired(key))
            case "break":
                self._handle(Broken(key, "its function is gone"))

    @precondition(lambda self: self.up)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        assert self.simulation.machine is not None
        live = sorted(self.simulation.machine.runs)
        if live:
            self._handle(CancelAsked(data.draw(st.sampled_from(live))))

    @precondition(lambda self: self.up)
    @rule(
        narrow=st.integers(1, 2),
        default=st.sampled_from((1, 3, None)),
        shut=st.sampled_from((None, None, (-MINUTE, MINUTE), (30 * SECOND, 5 * MINUTE), "again")),
    )
    def configure(
        self, narrow: int, default: int | None, shut: tuple[int, int] | Literal["again"] | None
    ) -> None:
        now = self.simulation.now
        windows: tuple[Maintenance, ...] = ()
        if shut == "again":
            windows = (Maintenance("m", IntervalTrigger(minutes=7), 2 * MINUTE),)
        elif shut is not None:
            windows = (Maintenance("m", DateTrigger.of(now + shut[0]), shut[1] - shut[0]),)
        settings = Settings({"narrow": narrow, "wide": 2}, {"default": default}, windows, queue_limit=4)
        self.simulation.settings = settings
        self.reach = self._taken()
        self._handle(Configured(settings))

    @precondition(lambda self: self.up)
    @rule(span=spans)
    def wait(self, span: int) -> None:
        if not self.simulation.run_to(self.simulation.now + span):
            self._back(host=False)

    @precondition(lambda self: self.up)
    @rule(by=st.sampled_from((-2 * HOUR, -90 * SECOND, 70 * SECOND, 2 * HOUR)))
    def set_clock(self, by: int) -> None:
        if by < 0:
            self.set_back = True
        try:
            self.simulation.set_clock(by)
        except Died:
            self._back(host=False)

    @precondition(lambda self: self.up)
    @rule(starts=st.integers(-1, 2))
    def die_soon(self, starts: int) -> None:
        self.simulation.fuse = starts

    @precondition(lambda self: self.up)
    @rule(host=st.booleans(), span=long_spans)
    def die(self, host: bool, span: int) -> None:
        self.simulation.crash(host=host)
        self.simulation.run(self.simulation.now + span)
        self._back(host=host)

    def _handle(self, event: Any) -> None:
        try:
            self.simulation.handle(event)
        except Died:
            self._back(host=False)
            # Whoever asked heard no answer, and asks again.
            self.simulation.handle(event)

    def _back(self, *, host: bool) -> None:
        self.simulation.fuse = None
        self.simulation.now += SECOND // 10
        self.reach = self._taken()
        self.simulation.restart()

    # ── what holds ──────────────────────────────────────────────────────────────────────────

    def _running(self) -> list[tuple[Run, StepRun]]:
        return [
            (run, state)
            for run in self.simulation.runs.values()
            for state in run.steps.values()
            if state.status is Status.RUNNING
        ]

    def _taken(self) -> dict[tuple[str, str], int]:
        taken: Counter[tuple[str, str]] = Counter()
        for run, state in self._running():
            work = next(step for step in run.spec.steps if step.id == state.step)
            taken["executor", work.executor or run.spec.executor] += 1
            if work.group and work.group != run.spec.policy.concurrency.group:
                taken["group", work.group] += 1
        for run in self.simulation.runs.values():
            group = run.spec.policy.concurrency.group
            if group is not None and run.started_at is not None and not run.status.final:
                taken["group", group] += 1
        return taken

    def _capacity(self, place: tuple[str, str]) -> int | None:
        settings = self.simulation.settings
        return (settings.groups if place[0] == "group" else settings.executors).get(place[1])

    @invariant()
    def places_are_never_exceeded(self) -> None:
        taken = self._taken()
        for place, count in taken.items():
            most = self._capacity(place)
            # Capacities lowered, and attempts taken over, end nothing that runs.
            assert most is None or count <= max(most, self.reach.get(place, 0)), place
        self.reach = {place: min(taken[place], count) for place, count in self.reach.items()}

    @invariant()
    def an_attempt_starts_once_and_not_unsaved(self) -> None:
        again = self.removed if self.set_back else set()
        starts = Counter(attempt for _, attempt in self.simulation.starts if attempt.run.job.id not in again)
        assert [attempt for attempt, count in starts.items() if count > 1] == []
        assert self.simulation.unsaved == []

    @invariant()
    def what_is_known_is_what_is_saved(self) -> None:
        simulation, machine = self.simulation, self.simulation.machine
        assert machine is not None
        assert machine.jobs == simulation.jobs
        assert machine.runs == {key: run for key, run in simulation.runs.items() if not run.status.final}
        assert sorted(machine.incidents, key=str) == sorted(
            (each for each in simulation.incidents.values() if each.closed_at is None), key=str
        )
        assert {each.id for each in machine.deliveries} == {
            each.id for each in simulation.deliveries.values() if each.state == "waiting"
        }

    @invariant()
    def a_final_run_has_only_final_steps(self) -> None:
        for run in self.simulation.runs.values():
            if run.status.final:
                assert all(state.status.final for state in run.steps.values()), run.id
                assert run.ended_at is not None
            else:
                assert not all(state.status.final for state in run.steps.values()), run.id

    @invariant()
    def nothing_due_is_left_undone(self) -> None:
        simulation, machine = self.simulation, self.simulation.machine
        assert machine is not None
        if not simulation.run_to(simulation.now):
            self._back(host=False)
        machine = simulation.machine
        assert machine is not None
        wakeup = machine.wakeup()
        assert wakeup is None or wakeup > simulation.now
        for job in machine.jobs.values():
            if job.state == "scheduled" and job.next_at is not None:
                assert start_of(job.spec, job.next_at) > simulation.now
                assert wakeup is not None
        for run in machine.runs.values():
            self._has_a_reason_to_wait(run)

    def _has_a_reason_to_wait(self, run: Run) -> None:
        """A live run works, waits for a moment to come, for a full place, or for its turn."""
        now, taken = self.simulation.now, self._taken()
        if any(state.status is Status.RUNNING for state in run.steps.values()):
            return
        waits = [state.due for state in run.steps.values() if state.status is Status.WAITING]
        if waits:
            assert all(due is not None and due > now for due in waits)
            return
        full = [
            place
            for place, count in taken.items()
            if self._capacity(place) is not None and count >= (self._capacity(place) or 0)
        ]
        siblings = [each for each in self.simulation.runs.values() if each.key.job == run.key.job]
        busy = [each for each in siblings if not each.status.final and each is not run]
        most = limit(run.spec.policy.concurrency)
        shut = run.started_at is None and self.simulation.settings.closed_until(run.spec, now) is not None
        turn = (most is not None and len(busy) >= most) or (run.reason == CATCH_UP and bool(busy))
        assert full or turn or shut, f"{run.id} waits for nothing"

    @invariant()
    def an_occurrence_is_accounted_for_once(self) -> None:
        keys = Counter((each.job.id, each.slot, each.nonce) for each in self.simulation.occurrences)
        # A new job of an old name knows nothing of slots before a clock that was set back: the store refuses those.
        again = self.removed if self.set_back else set()
        twice = [key for key, count in keys.items() if count > 1 and key[0] not in again]
        assert not twice
        ran = {
            (each.job, each.slot, each.nonce) for each in self.simulation.occurrences if each.state == "ran"
        }
        assert ran == set(self.simulation.runs)
        if self.set_back:
            return
        for id in IDS:
            self._pays_what_it_owes(id)

    def _pays_what_it_owes(self, id: str) -> None:
        key = self._known(id)
        job = self.simulation.jobs.get(key)
        owed = set(self.owed[id])
        since = self.since[id]
        if since is not None:
            owed |= _slots(*since, self.simulation.now)
        if job is not None and job.next_at is not None:
            # Not decided yet: jitter, or a pause whose end will tell.
            owed = {slot for slot in owed if slot < job.next_at}
        paid: Counter[Moment] = Counter()
        for each in self.simulation.occurrences:
            if each.job.id == id and not each.nonce:
                paid.update(_covered(each, self.since[id], owed))
        twice = [slot for slot, count in paid.items() if count > 1]
        assert not twice, f"{id}: {twice} accounted for twice"
        assert set(paid) == owed, f"{id}: lost {owed - set(paid)}, invented {set(paid) - owed}"


def _slots(trigger: Trigger, after: Moment, until: Moment) -> set[Moment]:
    found = set()
    slot = trigger.next_after(after)
    while slot is not None and slot <= until:
        found.add(slot)
        slot = trigger.next_after(slot)
    return found


def _covered(each: Occurrence, since: Any, owed: set[Moment]) -> list[Moment]:
    if each.last is None:
        return [each.slot]
    inside = sorted(slot for slot in owed if each.slot <= slot <= each.last)
    assert len(inside) == each.count, f"a range of {each.count} covers {len(inside)} slots"
    return inside


Histories.TestCase.settings = settings(
    max_examples=10_000 if os.environ.get("RUNNER_LONG") else 100,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestHistories = Histories.TestCase
