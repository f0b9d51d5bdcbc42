"""Changes of jobs by a scheduler that stands by: written down as requests, made by the one that leads."""

from __future__ import annotations

import threading
from dataclasses import field
from typing import Any
from uuid import uuid4

from runner.clock import Clock
from runner.core.run import Request
from runner.engine import Engine, Plan
from runner.errors import StoreError
from runner.frozen import frozen, replace
from runner.jobstores.base import ConflictingIdError, JobLookupError, JobStore
from runner.moment import SECOND, Moment
from runner.schedulers import plans
from runner.spec import JobKey, JobSpec

PATIENCE = 15 * SECOND
"""How long an answer of the leader is waited for."""

_PREFIX = "api."


@frozen
class Wish:
    """A change as values, so that it can be written down: `verb` add, change, reschedule, pause, resume, remove."""

    verb: str
    args: dict[str, Any] = field(default_factory=dict)


def plan_of(wish: Wish, source: str, alias: str, asked: Moment) -> Plan:
    """The plan that makes the change, asked for at this moment."""
    args = wish.args
    if wish.verb == "add":
        spec: JobSpec = args["spec"]
        if (spec.source, spec.store) != (source, alias):
            spec = replace(spec, source=source, store=alias)
        return plans.add(spec, args["next_at"], asked, replacing=args["replacing"])
    if wish.verb == "remove_all":
        return plans.remove_all()
    key = JobKey(alias, source, args["job"])
    match wish.verb:
        case "change":
            return plans.change(key, args["changes"], asked)
        case "reschedule":
            return plans.reschedule(key, args["trigger"], asked)
        case "pause":
            return plans.pause(key)
        case "resume":
            return plans.resume(key)
        case "remove":
            return plans.remove(key)
    raise ValueError(f"nobody knows how to {wish.verb!r}")


# ── asking ──────────────────────────────────────────────────────────────────────────────────


def write_down(store: JobStore, source: str, wish: Wish, clock: Clock) -> Request:
    """Write the wish down for the leader, and wait for nothing. StoreError."""
    request = Request(uuid4().hex, source, _PREFIX + wish.verb, wish.args, asked_at=clock.now())
    store.ask(request)
    return request


def ask(store: JobStore, source: str, wish: Wish, clock: Clock) -> None:
    """Write the wish down and wait for the leader's answer; its refusal is raised as if it had been our own."""
    request = write_down(store, source, wish, clock)
    until, pause = clock.elapsed() + PATIENCE, threading.Event()
    while clock.elapsed() < until:
        answer = store.answer(request.id)
        if answer is not None and answer.state != "asked":
            return _raise_refusal(answer)
        pause.wait(0.05)
    raise StoreError(
        f"whoever leads {source} in the store {store.alias!r} does not answer",
        hint="the change is written down, and will be made when it does",
    )


def _raise_refusal(answer: Request) -> None:
    if answer.state == "done":
        return
    kind, text, job = (str(answer.answer.get(key, "")) for key in ("kind", "error", "job"))
    if kind == "ConflictingIdError":
        raise ConflictingIdError(job)
    if kind == "JobLookupError":
        raise JobLookupError(job)
    raise {"TypeError": TypeError, "AttributeError": AttributeError}.get(kind, ValueError)(text)


# ── answering ───────────────────────────────────────────────────────────────────────────────


def take(engine: Engine, alias: str, request: Request) -> bool:
    """Make the change another scheduler asked for, and answer; False where it is no such request."""
    if not request.verb.startswith(_PREFIX):
        return False
    wish = Wish(request.verb.removeprefix(_PREFIX), dict(request.args))
    job = wish.args.get("job") or getattr(wish.args.get("spec"), "id", "")

    def answered(error: BaseException | None) -> None:
        answer: dict[str, Any] = {"job": job}
        if error is not None:
            answer |= {"kind": type(error).__name__, "error": str(error)}
        state = "done" if error is None else "refused"
        ended = replace(request, state=state, ended_at=request.asked_at, answer=answer)
        engine.answer(ended)

    try:
        plan = plan_of(wish, request.source, alias, request.asked_at)
    except (ValueError, KeyError, TypeError) as error:
        answered(error)
    else:
        engine.ask(plan).add_done_callback(lambda done: answered(done.exception()))
    return True
