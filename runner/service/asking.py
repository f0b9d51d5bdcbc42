"""Asking the leader of a file something from another process: a request in the store, a knock, an answer."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from runner.clock import Clock, SystemClock
from runner.core.action import Save
from runner.core.run import Request
from runner.jobstores.base import JobStore
from runner.moment import MILLISECOND, SECOND, Moment, Span
from runner.service.control import knock
from runner.service.place import Place

PATIENCE: Span = 5 * SECOND
AT_THE_DOOR: Span = 300 * MILLISECOND
"""How long somebody may take to come to the door of a store that only this machine can reach."""
_PAUSE: Span = 20 * MILLISECOND


def ask(
    store: JobStore,
    place: Place,
    verb: str,
    args: Mapping[str, Any],
    *,
    source: str | None = None,
    patience: Span = PATIENCE,
    clock: Clock | None = None,
) -> Request | None:
    """The answered request, or None where nobody answered within `patience` microseconds; it is then withdrawn.

    A SQLite file is led from this machine or not at all: where nobody is at the door it is no use to wait.
    `source`: whom it is for, where that is not the file's own.
    """
    clock = clock or SystemClock()
    request = Request(secrets.token_hex(8), source or place.source, verb, dict(args), asked_at=clock.now())
    store.ask(request)
    programs = source not in (None, place.source)  # a program has no door: it looks once a second
    heard = knock(place.socket) or programs or not place.url.startswith("sqlite")
    began = clock.elapsed()
    while clock.elapsed() < began + (patience if heard else min(AT_THE_DOOR, patience)):
        heard = heard or knock(place.socket)
        answer = store.answer(request.id)
        if answer is not None and answer.state != "asked":
            return answer
        time.sleep(_PAUSE / SECOND)
    return _withdraw(store, request, clock.now())


def _withdraw(store: JobStore, request: Request, now: Moment) -> Request | None:
    """Take it back, so that a runner started tomorrow does not do what was asked today."""
    store.write([Save(replace(request, state="refused", ended_at=now, answer={"error": "nobody answered"}))])
    return None
