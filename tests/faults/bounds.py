"""How fast it must be: every bound of speed that a fault case is held to, in one table.

The long form is judged by what is promised, and wants a machine of its own. So is the short form where it is run alone
(`RUNNER_FAULTS=short python -m tests.faults 4`), the machine has nothing else to do, and a quiet machine is at least
twice as fast as promised. In the suite four tests at once want two processors, and what is seconds elsewhere is as
long as the others let it be: there `busy` says what still has to hold, and `why`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

BUSY = 60.0
"""Seconds: a wait for a turn is far shorter, and what waits for somebody to look at it is far longer."""


@dataclass(frozen=True, slots=True)
class Bound:
    """`busy`: what the short form is held to where the machine has more to do than it can.

    `loose`: the short form is held to `busy` on a quiet machine as well.
    """

    what: str
    promised: float
    why: str
    busy: float = BUSY
    loose: bool = False


_TURNS = "commands wait their turn for a processor"
_RUNNER = "the runner waits its turn for a processor"
_SECOND = "the job is due once a second, so a second of the figure is the wait for it"

BOUNDS: dict[str, Bound] = {
    "04": Bound("shown after leading, s", 1, _RUNNER),
    "05": Bound("settled after leading, s", 1, _RUNNER),
    "07": Bound("through after the last restart, s", 10, _TURNS),
    "09": Bound("interrupted after, s", 5, _RUNNER),
    "13": Bound("exit after the grace, s", 1, _RUNNER),
    "14": Bound("exit after, s", 1, _RUNNER),
    "15": Bound("longest gap, s", 2, _SECOND + ", and a start of Python takes half another", loose=True),
    "16": Bound("leaders", 1, "who gets no turn for the length of a lease has lost it", busy=20),
    "17": Bound("longest takeover, s", 5, "3 s of it are the lease", loose=True),
    "19": Bound("longest takeover, s", 5, "a runner waits its turn to take the lead"),
    "21": Bound("end told after, s", 5, "a new connection waits its turn"),
    "25": Bound("per-second job goes on after, s", 2, _SECOND, loose=True),
    "27": Bound("first start after waking, s", 1, _TURNS),
    "31": Bound("seen after, s", 2, "git takes a turn, and so does the reader"),
    "36": Bound(
        "times a raw pipe",
        2,
        "60 MB pass a raw pipe in less time than a shim starts in: this is half a minute of it",
        busy=2_000,
        loose=True,
    ),
    "36 others": Bound("others late at most, s", 0.25, _TURNS),
    "39": Bound("recorded after, s", 2, "a second of it is the grace for late output", busy=50, loose=True),
    "40": Bound("all recorded after, s", 5, "the timeout is 5 s of it, in the long form 2 s", loose=True),
    "41": Bound("last start late, s", 5, _TURNS),
    "41 queue": Bound("others late at most, s", 0.5, _TURNS),
    "43": Bound("others late at most, s", 0.5, "a process of Python is started for each function"),
    "44": Bound("resumed after, s", 2, _SECOND, loose=True),
    "45": Bound(
        "a silent server noticed after, s", 15, "10 s of it are the patience with a server", loose=True
    ),
    "46": Bound("recorded after there was room, s", 5, "the disk is filled all the while"),
    "59": Bound("runs late at most, s", 0.1, _TURNS),
}


def bound_of(case: str, wanted: str) -> tuple[str, float]:
    """What is measured, and what it is held to now. `wanted`: RUNNER_FAULTS."""
    bound = BOUNDS.get(case) or BOUNDS[case.split()[0]]
    if wanted == "long" or not (bound.loose or _busy()):
        return bound.what, bound.promised
    return bound.what, bound.busy


def _busy() -> bool:
    """Others are at work beside this test, or there was more to do than processors for the last minute."""
    beside = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1
    return beside or os.getloadavg()[0] > len(os.sched_getaffinity(0)) * 0.9
