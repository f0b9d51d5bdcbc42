"""Random histories of the machine: whatever happens, in whatever order, the promises hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.core.event import Settings
from runner.core.run import Job, Status
from runner.moment import HOUR, MINUTE, SECOND, Moment
from runner.simulation import Scripted, Simulation
from runner.spec import Catchup, Command, Concurrency, JobSpec, Notify, Policy, Retry, Rule, Step
from runner.triggers.schedule import build

START: Moment = 1_780_272_000 * SECOND
CAPACITY = {"default": 3, "small": 1}
GROUPS = {"db": 1}
IDS = ("a", "b", "c")

schedules = st.sampled_from(["* * * * *", "*/3 * * * *", "every 90s", "7,8,9 * * * *", "0 * * * *"])
spans = st.integers(1, 400).map(lambda n: n * SECOND)


@st.composite
def steps(draw: Any) -> tuple[Step, ...]:
    count = draw(st.integers(1, 4))
    made: list[Step] = []
    for number in range(count):
        needs = tuple(step.id for step in made if draw(st.booleans()))
        made.append(
            Step(
                f"s{number}",
                Command(script="true"),
                needs,
                retry=Retry(draw(st.integers(0, 2)), draw(st.sampled_from([0, 5 * SECOND])), 2.0, jitter=0.2),
                timeout=draw(st.sampled_from([None, None, 30 * SECOND])),
                executor=draw(st.sampled_from([None, "small"])),
                condition=draw(st.sampled_from([None, None, "always()", "failure()"])),
                group=draw(st.sampled_from([None, None, "db"])),
            )
        )
    return tuple(made)


@st.composite
def specs(draw: Any, id: str) -> JobSpec:
    overlap = draw(st.sampled_from(["skip", "queue", "replace", "allow"]))
    return JobSpec(
        id,
        draw(steps()),
        build(draw(schedules), timezone="UTC", job_id=id, calendars={}),
        policy=Policy(
            concurrency=Concurrency(
                overlap, draw(st.sampled_from([1, 2])), draw(st.sampled_from([None, "db"]))
            ),
            catchup=Catchup(draw(st.sampled_from(["none", "latest", "all"])), None, draw(st.integers(1, 5))),
            grace=draw(st.sampled_from([None, None, 100 * SECOND])),
            jitter=draw(st.sampled_from([0, 0, 20 * SECOND])),
            priority=draw(st.integers(0, 2)),
            timeout=draw(st.sampled_from([None, 100 * SECOND])),
            on_interrupt=draw(st.sampled_from(["fail", "retry"])),
        ),
        source="/jobs.yaml",
        notify=Notify(
            on_failure=(Rule(("ops",), draw(st.integers(1, 2)), HOUR),), on_recovery=(Rule(("ops",)),)
        ),
    )


outcomes = st.builds(
    Scripted,
    st.sampled_from([Status.SUCCEEDED, Status.SUCCEEDED, Status.FAILED]),
    st.integers(0, 200).map(lambda n: n * SECOND),
    st.none(),
    st.sampled_from([0, 0, 10 * SECOND]),
)
moves = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), spans),
        st.tuples(st.just("pass"), st.integers(1, 6).map(lambda n: n * 10 * MINUTE)),
        st.tuples(st.just("fire"), st.sampled_from(IDS)),
        st.tuples(st.just("pause"), st.sampled_from(IDS)),
        st.tuples(st.just("resume"), st.sampled_from(IDS)),
        st.tuples(st.just("cancel"), st.integers(0, 5)),
        st.tuples(st.just("down"), spans),
        st.tuples(st.just("crash"), spans),
    ),
    max_size=14,
)


def play(simulation: Simulation, move: str, value: Any) -> None:
    match move:
        case "pass":
            simulation.run(simulation.now + value)
        case "fire":
            simulation.fire(value)
        case "pause":
            simulation.pause(value)
        case "resume":
            simulation.resume(value)
        case "cancel":
            live = [run for run in simulation.runs.values() if not run.status.final]
            if live:
                simulation.cancel(live[value % len(live)])
        case "down" | "crash":
            simulation.crash(host=move == "crash")
            simulation.run(simulation.now + value)
            simulation.restart()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.tuples(*(specs(id) for id in IDS)), st.lists(outcomes, min_size=1, max_size=6), moves)
def test_the_promises_hold(
    jobs: Sequence[JobSpec], script: Sequence[Scripted], happened: Sequence[Any]
) -> None:
    turn = [0]

    def scripted(_start: object) -> Scripted:
        turn[0] += 1
        return script[turn[0] % len(script)]

    simulation = Simulation(
        jobs, start=START, script=scripted, settings=Settings(groups=GROUPS, executors=CAPACITY)
    )
    for move, value in happened:
        play(simulation, move, value)
        check(simulation)
    # Left alone, everything that was begun comes to its end.
    for id in IDS:
        simulation.pause(id)
    simulation.run(simulation.now + 12 * HOUR)
    check(simulation)
    assert [run.id for run in simulation.runs.values() if not run.status.final] == []


def check(simulation: Simulation) -> None:
    machine = simulation.machine
    assert machine is not None
    wakeup = machine.wakeup()
    assert wakeup is None or wakeup > simulation.now, "something due is left undone"
    assert simulation.unsaved == [], "started without being on record"
    counts = Counter(attempt for _, attempt in simulation.starts)
    assert [attempt for attempt, count in counts.items() if count > 1] == [], "started twice"
    assert [run for run in machine.runs.values() if run.status.final] == [], "over, and still live"
    recorded = {key for key, run in simulation.runs.items() if not run.status.final}
    assert set(machine.runs) == recorded, "what is live and what is on record differ"
    places(simulation)
    for job in simulation.jobs.values():
        accounted(simulation, job)


def places(simulation: Simulation) -> None:
    assert simulation.machine is not None
    executors: Counter[str] = Counter()
    groups: Counter[str] = Counter()
    for run in simulation.machine.runs.values():
        steps = {step.id: step for step in run.spec.steps}
        whole = run.spec.policy.concurrency.group
        if whole is not None and run.started_at is not None:
            groups[whole] += 1
        running = [state for state in run.steps.values() if state.status is Status.RUNNING]
        for state in running:
            executors[steps[state.step].executor or "default"] += 1
            group = steps[state.step].group
            if group is not None and group != whole:
                groups[group] += 1
    assert all(executors[name] <= most for name, most in CAPACITY.items()), executors
    assert all(groups[name] <= most for name, most in GROUPS.items()), groups


def accounted(simulation: Simulation, job: Job) -> None:
    """Each slot up to the next one stands in exactly one row."""
    assert job.spec.trigger is not None
    rows: Counter[Moment] = Counter()
    for run in simulation.runs.values():
        if run.key.job == job.key and not run.key.nonce:
            rows[run.key.slot] += 1
    for each in simulation.occurrences:
        if each.job != job.key or each.state == "ran" or each.nonce:
            continue
        slot: Moment | None = each.slot
        for _ in range(each.count):
            assert slot is not None
            rows[slot] += 1
            slot = job.spec.trigger.next_after(slot)
    planned = []
    following = job.spec.trigger.next_after(START)
    while following is not None and job.next_at is not None and following < job.next_at:
        planned.append(following)
        following = job.spec.trigger.next_after(following)
    assert sorted(rows) == planned
    assert max(rows.values(), default=1) == 1
