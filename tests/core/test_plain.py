"""The usual occurrence takes a short way of its own; it decides, writes and says what the whole rules do."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.action import Action, Announce, Save, Start
from runner.core.event import (
    Added,
    CancelAsked,
    Changed,
    Event,
    Fired,
    Maintenance,
    Paused,
    Resumed,
    Settings,
    Started,
    StepEnded,
    Stepped,
    Tick,
)
from runner.core.machine import Machine
from runner.core.plain import Lane
from runner.core.run import AttemptKey, Job, Outcome, Run, RunKey, Status
from runner.moment import DAY, HOUR, MINUTE, SECOND, Moment
from runner.spec import (
    After,
    Call,
    Catchup,
    Concurrency,
    JobKey,
    JobSpec,
    Notify,
    Param,
    Policy,
    Retry,
    Rule,
    Sla,
    Step,
)
from runner.triggers.base import BaseTrigger
from runner.triggers.cron import CronTrigger
from runner.triggers.date import DateTrigger
from runner.triggers.interval import IntervalTrigger
from runner.triggers.schedule import build

NOON: Moment = 1_780_000_000 * SECOND
PLAIN = JobSpec("plain", (Step("main", Call("builtins:print")),), IntervalTrigger(seconds=10))


class OwnTriggerError(Exception):
    """What a program's own trigger raises."""


class Failing(BaseTrigger):
    """A program's own, which fails at its second firing."""

    def next_after(self, moment: Moment) -> Moment | None:
        if moment >= NOON + MINUTE:
            raise OwnTriggerError
        return moment + 20 * SECOND


def chosen(chance: random.Random, id: str) -> JobSpec:
    """Mostly a plain job, sometimes with one thing that is not usual."""
    triggers = ("every 10s", "every 1m", "*/2 * * * *", "every 7s")
    trigger: Any = build(chance.choice(triggers), timezone="Europe/Berlin", job_id=id, calendars={})
    step, policy, more = dict[str, Any](), dict[str, Any](), dict[str, Any]()
    match chance.randrange(30):
        case 0:
            step["retry"] = Retry(1, 5 * SECOND)
        case 1:
            step["timeout"] = 30 * SECOND
        case 2:
            policy["grace"] = SECOND
        case 3:
            policy["concurrency"] = Concurrency(chance.choice(("queue", "replace", "allow")), 2)
        case 4:
            policy["sla"] = Sla(success_every=HOUR)
        case 5:
            policy["catchup"] = Catchup("all", chance.choice((None, 3 * SECOND)), 3)
        case 6:
            more["after"] = (After("a", "always"),) if id != "a" else ()
        case 7:
            more["notify"] = Notify((Rule(to=("chat",)),), (), (), (Rule(to=("chat",)),))
        case 8:
            more["params"] = (Param("day", default="x"),)
        case 9:
            policy["jitter"] = 3 * SECOND
        case 10:
            trigger, more["remove_when_done"] = IntervalTrigger.of(SECOND, end=NOON + MINUTE), True
        case 11:
            trigger = Failing()
        case 12:
            step["executor"] = "narrow"
        case 13:
            policy["timeout"] = 20 * SECOND
        case _:
            pass
    main = Step("main", Call("builtins:print"), **step)
    return JobSpec(id, (main,), trigger, Policy(**policy), timezone="Europe/Berlin", **more)


@dataclass
class Pair:
    """Two machines that are told the same: one takes the short way where it can, the other never does."""

    quick: Machine
    whole: Machine
    taken: int = 0
    open: list[AttemptKey] = field(default_factory=list)

    def handle(self, now: Moment, event: Event) -> None:
        quick, whole = came_of(self.quick, now, event), came_of(self.whole, now, event)
        assert others(quick) == others(whole)
        assert written(quick) == written(whole)
        assert self.quick.runs == self.whole.runs
        assert self.quick.jobs == self.whole.jobs
        assert self.quick.wakeup() == self.whole.wakeup()
        self.taken += len(whole) - len(quick)
        self.open += [action.attempt for action in quick if isinstance(action, Start)]


def came_of(machine: Machine, now: Moment, event: Event) -> list[Action]:
    """What follows; nothing where a program's own trigger fails in the middle of an edit."""
    try:
        return machine.handle(now, event)
    except OwnTriggerError:
        return []


def others(actions: list[Action]) -> list[Action]:
    return [action for action in actions if not isinstance(action, Save)]


def written(actions: list[Action]) -> dict[Any, Any]:
    """What a store holds afterwards: of each record the last state."""
    found: dict[Any, Any] = {}
    for action in actions:
        if isinstance(action, Save):
            record = action.record
            found[(type(record), record.key if isinstance(record, Run | Job) else str(record))] = record
    return found


def pair(given: Settings) -> Pair:
    """The second one's short way is closed."""
    quick, whole = Machine(given), Machine(given)
    for lane in (whole._runs.plain, whole._slots._lane):
        assert isinstance(lane, Lane)
    whole._runs.plain = None
    whole._slots._lane = Never()  # type: ignore[assignment]
    return Pair(quick, whole)


class Never:
    """No short way."""

    def begins(self, job: Job, now: Moment) -> bool:
        return False


@given(st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_it_decides_what_the_whole_rules_decide(seed: int) -> None:
    play(seed)


def play(seed: int) -> Pair:
    chance = random.Random(seed)
    shut = (Maintenance("m", DateTrigger.of(NOON + MINUTE), 2 * MINUTE),) if chance.random() < 0.1 else ()
    given = Settings(
        {}, {"default": chance.choice((None, 2)), "narrow": 1}, shut, host="here", commit="1f2e3d"
    )
    both = pair(given)
    now = NOON
    both.handle(now, Started())
    ids = ["a", "b", "c"]
    for id in ids:
        both.handle(now, Added(chosen(chance, id), chance.choice(("auto", "auto", now))))
    for _ in range(60):
        now = step(both, chance, now, ids)
    return both


def step(both: Pair, chance: random.Random, now: Moment, ids: list[str]) -> Moment:
    """Something happens: mostly time passes to the next moment, and attempts end."""
    key = JobKey("default", "api:default", chance.choice(ids))
    dice = chance.random()
    if dice < 0.45:
        wakeup = both.quick.wakeup()
        late = chance.choice((0, 0, 0, SECOND, 3 * SECOND, 9 * SECOND, 5 * MINUTE, DAY))
        now = max(now, (wakeup if wakeup is not None else now) + late)
        both.handle(now, Tick())
    elif dice < 0.85 and both.open:
        attempt = both.open.pop(chance.randrange(len(both.open)))
        now += chance.choice((0, 1000, SECOND))
        status = chance.choice([Status.SUCCEEDED] * 6 + [Status.FAILED, Status.CANCELLED])
        began, ended = chance.choice(((None, None), (now - 500, now - 100), (now - 10, now + 10)))
        both.handle(now, StepEnded(attempt, Outcome(status, started_at=began, ended_at=ended)))
    elif dice < 0.88:
        both.handle(now, Fired(key))
    elif dice < 0.91 and both.open:
        both.handle(now, CancelAsked(chance.choice(both.open).run))
    elif dice < 0.93:
        both.handle(now, Paused(key, chance.choice((None, now + MINUTE))))
    elif dice < 0.96:
        both.handle(now, Resumed(key))
    elif dice < 0.98:
        both.handle(now, Changed(chosen(chance, key.id)))
    else:
        by = chance.choice((-MINUTE, MINUTE))
        now += by
        both.handle(now, Stepped(by))
        both.handle(now, Tick())
    return now


def test_the_short_way_is_taken() -> None:
    """Else the comparison above compares a machine with itself."""
    assert sum(play(seed).taken for seed in range(5)) > 20


def test_an_occurrence_of_a_plain_job_and_its_end_in_full() -> None:
    machine = Machine(Settings())
    machine.handle(NOON, Added(PLAIN))
    slot = machine.wakeup()
    assert slot is not None
    began = machine.handle(slot, Tick())
    assert [type(action).__name__ for action in began] == ["Save", "Start", "Announce", "Announce", "Save"]
    (start,) = [action for action in began if isinstance(action, Start)]
    ended = machine.handle(slot + 5, StepEnded(start.attempt, Outcome(Status.SUCCEEDED)))
    assert [type(action).__name__ for action in ended] == ["Announce", "Save", "Announce", "Save"]
    assert not machine.runs
    assert machine.jobs[PLAIN.key].last_success == slot
    assert machine.wakeup() == slot + 10 * SECOND


def test_what_nobody_hears_is_not_said() -> None:
    machine = Machine(Settings(), hears=lambda: {"run.ended"})
    machine.handle(NOON, Added(PLAIN))
    slot = machine.wakeup()
    assert slot is not None
    began = machine.handle(slot, Tick())
    assert [type(action).__name__ for action in began] == ["Save", "Start", "Save"]
    (start,) = [action for action in began if isinstance(action, Start)]
    ended = machine.handle(slot + 5, StepEnded(start.attempt, Outcome(Status.SUCCEEDED)))
    assert [type(action).__name__ for action in ended] == ["Save", "Announce", "Save"]


@pytest.mark.parametrize("heard", [set(), {"job.added"}])
def test_that_a_job_is_added_is_said_where_somebody_hears_it(heard: set[str]) -> None:
    machine = Machine(Settings(), hears=lambda: heard)
    actions = machine.handle(NOON, Added(PLAIN))
    assert {action.name for action in actions if isinstance(action, Announce)} == heard


def test_many_added_at_once_are_as_each_of_them() -> None:
    places: list[Moment | Literal["auto"] | None] = ["auto", NOON + 7, None, "auto", NOON - 7]
    added = [
        Added(replace(PLAIN, id=str(number), enabled=number != 3), next_at)
        for number, next_at in enumerate(places)
    ]
    together, alone = Machine(Settings()), Machine(Settings())
    said = together.additions(NOON, added)
    assert said == [action for each in added for action in alone.handle(NOON, each)]
    assert together.jobs == alone.jobs
    assert together.wakeup() == alone.wakeup()


def test_who_hears_is_asked_each_time() -> None:
    heard: set[str] = set()
    machine = Machine(Settings(), hears=lambda: heard)
    machine.handle(NOON, Added(PLAIN))
    slot = machine.wakeup()
    assert slot is not None
    began = machine.handle(slot, Tick())
    assert not [action for action in began if isinstance(action, Announce)]
    (start,) = [action for action in began if isinstance(action, Start)]
    heard.add("run.ended")
    ended = machine.ends(
        slot + 5, [StepEnded(start.attempt, Outcome(Status.SUCCEEDED))], lambda end, error: None
    )
    assert [action.name for action in ended if isinstance(action, Announce)] == ["run.ended"]


@pytest.mark.parametrize("seed", range(3))
def test_a_run_that_waited_for_its_place_starts_by_the_short_way(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else `test_it_decides_what_the_whole_rules_decide` says nothing about it."""
    went, goes_on = list[bool](), Lane.goes_on

    def watched(self: Lane, key: RunKey, now: Moment) -> bool:
        went.append(goes_on(self, key, now))
        return went[-1]

    monkeypatch.setattr(Lane, "goes_on", watched)
    for more in range(20):
        play(20 * seed + more)
    assert True in went
    assert False in went


def test_ends_told_together_are_what_each_would_be_and_one_bad_one_spoils_none() -> None:
    machine, other = Machine(Settings()), Machine(Settings())
    failed: list[tuple[StepEnded, str]] = []
    ends: list[StepEnded] = []
    for each in (machine, other):
        for number in range(3):
            each.handle(NOON, Added(JobSpec(f"job{number}", PLAIN.steps, PLAIN.trigger)))
        slot = each.wakeup()
        assert slot is not None
        ends = [
            StepEnded(action.attempt, Outcome(Status.SUCCEEDED))
            for action in each.handle(slot, Tick())
            if isinstance(action, Start)
        ]
    bad = StepEnded(AttemptKey(ends[1].attempt.run, "main", 1), None)  # type: ignore[arg-type]
    together = machine.ends(
        NOON + MINUTE, [ends[0], bad, ends[2]], lambda end, error: failed.append((end, type(error).__name__))
    )
    assert failed == [(bad, "AttributeError")]
    assert together == other.handle(NOON + MINUTE, ends[0]) + other.handle(NOON + MINUTE, ends[2])


@pytest.mark.parametrize(
    ("spec", "plain"),
    [
        (PLAIN, True),
        (JobSpec("x", PLAIN.steps), True),
        (JobSpec("x", PLAIN.steps, CronTrigger(minute="*/5")), True),
        (JobSpec("x", PLAIN.steps, CronTrigger(minute="*/5", jitter=3)), False),
        (JobSpec("x", PLAIN.steps, IntervalTrigger(seconds=5, jitter=1)), False),
        (JobSpec("x", PLAIN.steps, Failing()), True),
        (JobSpec("x", PLAIN.steps * 2), False),
        (JobSpec("x", PLAIN.steps, policy=Policy(jitter=1)), False),
        (JobSpec("x", PLAIN.steps, policy=Policy(timeout=1)), False),
        (JobSpec("x", PLAIN.steps, policy=Policy(Concurrency(group="g"))), False),
        (JobSpec("x", (Step("main", PLAIN.steps[0].work, condition="true"),)), False),
        (JobSpec("x", (Step("main", PLAIN.steps[0].work, timeout=1),)), False),
        (JobSpec("x", (Step("main", PLAIN.steps[0].work, group="g"),)), False),
    ],
)
def test_which_jobs_are_plain(spec: JobSpec, plain: bool) -> None:
    assert spec.plain is plain


def test_a_trigger_with_days_off_is_none_of_a_plain_job() -> None:
    class Moved(IntervalTrigger):
        def jitter_at(self, slot: Moment) -> int:
            return 5

    assert not JobSpec("x", PLAIN.steps, Moved(seconds=5)).plain
