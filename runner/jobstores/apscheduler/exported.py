"""Files that APScheduler's `export_jobs` wrote: JSON with pickles in it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from runner.jobstores.apscheduler.jobs import OldJob, job_of
from runner.jobstores.apscheduler.unpickle import Old, Refused, loads, plain

CLASS, STATE, PICKLE = "__apscheduler_class__", "__apscheduler_state__", "__apscheduler_pickle__"


def exported(document: Any) -> Iterator[tuple[str, OldJob | Refused]]:
    """The jobs of a parsed file, each with its id, or why it cannot be read; ValueError where it is no such file."""
    if not isinstance(document, dict) or not isinstance(document.get("jobs"), list):
        raise ValueError("this is no file of exported jobs: there is no list under 'jobs'")
    if document.get("version") != 1:
        raise ValueError(f"unrecognized version: {document.get('version')}")
    for number, state in enumerate(document["jobs"]):
        id = (
            str(state.get("id", f"number {number + 1}"))
            if isinstance(state, dict)
            else f"number {number + 1}"
        )
        try:
            yield id, job_of(plain(_value(state)))
        except Refused as refused:
            yield id, refused


def _value(value: Any) -> Any:
    """What the JSON stands for, with stand-ins for objects."""
    if isinstance(value, list):
        return [_value(item) for item in value]
    if not isinstance(value, dict):
        return value
    if text := value.get(PICKLE):
        try:
            return loads(base64.b64decode(text, validate=True))
        except (binascii.Error, TypeError, ValueError) as error:
            raise Refused(f"it holds something that is no base64: {error}") from None
    if kind := value.get(CLASS):
        made = type("Stand_in", (Old,), {"kind": str(kind)})()
        made.__setstate__(_value(value.get(STATE)))
        return made
    return {key: _value(item) for key, item in value.items()}
