"""What came in with a batch that no write would take, though the store writes other things: less of it is tried."""

from __future__ import annotations

import logging
from concurrent.futures import Future

from runner.core.action import Save
from runner.core.event import Asked, StepEnded
from runner.core.run import Outcome
from runner.engine.batch import Cause, Entry
from runner.errors import StoreFault
from runner.frozen import replace

log = logging.getLogger("runner.engine")


def what_is_left(alone: Cause, error: StoreFault) -> list[Cause]:
    """What remains of something that cannot be written, even alone: of an end how it ended, of a wish nothing."""
    match alone:
        case StepEnded(attempt, said):
            fault = type(error.__cause__).__name__
            log.error("what was said of the end of %s cannot be written: %s", attempt, error)
            end = Outcome(
                said.status,
                said.exit_code,
                f"what was said of its end could not be stored ({fault}; see the runner's log)",
                started_at=said.started_at,
                ended_at=said.ended_at,
                value=said.value,
                exception=said.exception,
            )
            return [StepEnded(attempt, end)]
        case Entry(what=Asked(request)):
            fault = type(error.__cause__).__name__
            answer = {"error": f"what follows from it could not be stored ({fault}; see the runner's log)"}
            return [Save(replace(request, state="refused", ended_at=request.asked_at, answer=answer))]
        case Entry(waiter=Future() as waiter):
            waiter.set_exception(error.__cause__ or error)
            return []
        case _:
            log.error("given up, for it cannot be written: %r: %s", alone, error)
            return []
