"""The figures of the fault cases: collected as JSON while they run, printed as a table, kept in docs/reliability.md."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.faults.bounds import bound_of

RESULTS = Path(os.environ.get("RUNNER_FAULTS_RESULTS", ".faults/results.json"))
WANTED = os.environ.get("RUNNER_FAULTS", "short")
SEED = int(os.environ.get("RUNNER_FAULTS_SEED", "1"))


def size(short: int, long: int) -> int:
    """How often: `short` in the suite, `long` with RUNNER_FAULTS=long; a number such as 0.1 is that part of long."""
    if WANTED == "short":
        return short
    if WANTED == "long":
        return long
    return max(short, round(long * float(WANTED)))


def judge(case: str, measured: float) -> None:
    """Hold a figure of speed to its bound (bounds.py), after it was recorded: a promise that is missed stays to be
    seen."""
    what, bound = bound_of(case, WANTED)
    assert measured <= bound, f"{what}: {measured:.2f}, at most {bound:g}"


class Watch:
    """Says how long a case has taken: `began` is set as its test begins."""

    began = time.monotonic()


def record(
    case: str, fault: str, n: int, figures: Mapping[str, Any], target: str, took: float | None = None
) -> None:
    """Keep the figures of a case that passed. `n`: how often the fault really happened. `took`: seconds, else those
    of its test."""
    took = time.monotonic() - Watch.began if took is None else took
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = load()
        found[case] = {"fault": fault, "n": n, "figures": dict(figures), "target": target, "took": took}
        RESULTS.write_text(json.dumps(found, indent=1, sort_keys=True))


def load() -> dict[str, dict[str, Any]]:
    try:
        found: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text())
    except FileNotFoundError:
        return {}
    return found


Row = tuple[str, str, str, str, str, str]
"""Case, fault, n, what was measured, target, how long it took."""


def rows(found: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    return [
        (
            case.lstrip("0"),
            each["fault"],
            str(each["n"]),
            ", ".join(f"{name} {_said(value)}" for name, value in each["figures"].items()),
            each["target"],
            _length(each["took"]) if "took" in each else "",
        )
        for case, each in sorted(found.items())
    ]


def read(text: str) -> list[Row]:
    """The rows of a table in Markdown, as `lines` writes it."""
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    # Trailing spaces are stripped, and with them a last cell that is empty.
    cells = [[*row, ""] if len(row) == 5 else row for row in cells]
    return [
        (row[0], row[1], row[2], row[3], row[4], row[5])
        for row in cells
        if len(row) == 6 and row[2].isdigit()
    ]


def merged(known: list[Row], new: list[Row]) -> list[Row]:
    """New rows in place of those of the same case, unless the one that is known stands for more faults."""
    found = {row[0]: row for row in known}
    for row in new:
        if row[0] not in found or int(row[2]) >= int(found[row[0]][2]):
            found[row[0]] = row
    return [found[case] for case in sorted(found, key=_place)]


def _place(case: str) -> tuple[int, str]:
    number, _, rest = case.partition(" ")
    return int(number), rest


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """As Markdown, which also reads well in a terminal."""
    return lines(rows(found))


def lines(rows: Iterable[Row]) -> str:
    head = ["| case | fault | n | measured | target | took |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)])


def _length(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _said(value: Any) -> str:
    return (
        f"{value:.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
    )
