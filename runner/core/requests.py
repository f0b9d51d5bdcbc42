"""What other processes ask of the leader: each request is carried out and answered in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from runner.core.action import Action, Save
from runner.core.run import AttemptKey, Job, Request, RunKey, Status
from runner.core.runs import Runs
from runner.core.slots import Slots
from runner.frozen import replace
from runner.moment import SECOND, Moment, Span
from runner.spec import JobKey

_SKEW: Span = 5 * SECOND
"""By how much the clocks of who asks and who leads may differ."""


class Requests:
    """`pause` and `resume` are the machine's own."""

    def __init__(
        self,
        jobs: Mapping[JobKey, Job],
        runs: Runs,
        slots: Slots,
        out: Callable[[Action], None],
        pause: Callable[[JobKey, Moment | None, str, Moment], None],
        resume: Callable[[JobKey, Moment], None],
    ) -> None:
        self._jobs = jobs
        self._runs = runs
        self._slots = slots
        self._out = out
        self._pause = pause
        self._resume = resume

    def carry_out(self, request: Request, now: Moment) -> None:
        """Do what another process asks, and answer it in the same transaction."""
        answer = self._answer(request, now)
        state: Literal["done", "refused"] = "refused" if "error" in answer else "done"
        self._out(Save(replace(request, state=state, ended_at=now, answer=answer)))

    def _answer(self, request: Request, now: Moment) -> dict[str, Any]:
        args = request.args
        if request.verb == "ended":
            return self._answer_ended(args, now)
        if request.verb == "cancel":
            return self._answer_cancel(str(args.get("run", "")), request.asked_at, now)
        key = self._find(request.source, str(args.get("job", "")))
        if key is None:
            return {"error": f"there is no job {args.get('job')!r}", "unknown": True}
        if request.verb == "pause":
            self._pause(key, args.get("until"), str(args.get("note", "")), now)
            return self._state_of(key)
        if request.verb == "resume":
            self._resume(key, now)
            return self._state_of(key)
        if request.verb == "trigger":
            made = self._slots.fired(key, args.get("params") or {}, "manual", str(args.get("by", "")), now)
            if isinstance(made, RunKey):
                return {"job": key.id, "run": str(made)}
            return {"error": f"{key.id} was not started: {made}", "reason": made}
        return {"error": f"nobody knows how to {request.verb!r}"}

    def _answer_cancel(self, wanted: str, asked_at: Moment, now: Moment) -> dict[str, Any]:
        """Of a job, the runs that were there when it was asked: that may be long ago, if nobody led meanwhile."""
        found = []
        for key, run in self._runs.live.items():
            # One of the future was there before the clock was set back.
            there = run.created_at <= asked_at + _SKEW or run.created_at > now
            if str(key) == wanted or (key.job.id == wanted and there):
                found.append(key)
        if not found:
            return {"error": f"no run {wanted!r} is under way", "unknown": True}
        for key in found:
            self._runs.cancel(key, "asked", now)
        return {"run": ", ".join(map(str, found)), "runs": [str(key) for key in found]}

    def _answer_ended(self, args: Mapping[str, Any], now: Moment) -> dict[str, Any]:
        """The word of the runner on whose host the attempt was begun."""
        if args["host"] and args["host"] == self._runs.settings.host:
            # Who leads speaks for this host, and has heard what an earlier process of it had to say.
            return {"error": f"another host has the name {args['host']}", "unknown": True}
        key = next(
            (
                each
                for each in self._runs.live
                if each.job[1:] == args["run"].job[1:] and each[1:] == args["run"][1:]
            ),
            None,
        )
        state = self._runs.live[key].steps.get(args["step"]) if key is not None else None
        outcome = args["outcome"]
        if (
            key is None
            or state is None
            or (state.status, state.attempt, state.host) != (Status.RUNNING, args["attempt"], args["host"])
        ):
            return {"error": "the attempt is not under way", "unknown": True}
        attempt = AttemptKey(key, state.id, state.attempt)
        if outcome is not None:
            self._runs.step_ended(attempt, outcome, now)
        elif args.get("claimed", state.started_at) != state.started_at:
            # Said of an earlier claim: whoever made a later one may have begun it, and be no more.
            return {"error": "the attempt was to begin once more since", "unknown": True}
        elif not self._runs.stopping:
            self._runs.again(attempt, now)
        return {"run": str(key)}

    def _find(self, source: str, id: str) -> JobKey | None:
        return next((key for key in self._jobs if key.id == id and key.source == source), None)

    def _state_of(self, key: JobKey) -> dict[str, Any]:
        job = self._jobs.get(key)
        return {"job": key.id, "state": job.state if job is not None else "finished"}
