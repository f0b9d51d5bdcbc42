"""How fast it must be: every bound of speed that a fault case is held to, in one table.

The long form is judged by what is promised, and wants a machine of its own. So is the short form wherever a quiet
machine is at least twice as fast as promised. Where it is not, or where the figure is one of a busy machine (the
suite runs four tests at once on two cores), `busy` says what still has to hold, and `why`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bound:
    """`busy`: what the short form is held to where the machine has more to do than it can; None: what is promised.

    `loose`: the short form is held to `busy` on a quiet machine as well.
    """

    what: str
    promised: float
    busy: float | None = None
    loose: bool = False
    why: str = ""


_TURNS = "commands wait their turn for a processor"
_SECOND = "the job is due once a second, so a second of the figure is the wait for it"

BOUNDS: dict[str, Bound] = {
    "04": Bound("shown after leading, s", 1),
    "05": Bound("settled after leading, s", 1),
    "07": Bound("through after the last restart, s", 10, 60, why=_TURNS),
    "09": Bound("interrupted after, s", 5),
    "13": Bound("exit after the grace, s", 1),
    "14": Bound("exit after, s", 1),
    "15": Bound(
        "longest gap, s", 2, 3, loose=True, why=_SECOND + ", and a start of Python takes half another"
    ),
    "17": Bound("longest takeover, s", 5, 5.5, loose=True, why="3 s of it are the lease"),
    "19": Bound("longest takeover, s", 5, 5.5, why="a runner waits its turn to take the lead"),
    "21": Bound("end told after, s", 5, 8, why="a new connection waits its turn"),
    "25": Bound("per-second job goes on after, s", 2, 3, loose=True, why=_SECOND),
    "27": Bound("first start after waking, s", 1, 1.5, why=_TURNS),
    "31": Bound("seen after, s", 2, 20, why="git takes a turn, and so does the reader"),
    "36": Bound(
        "times a raw pipe", 2, 500, loose=True, why="60 MB pass a raw pipe in less time than a shim starts in"
    ),
    "36 others": Bound("others late at most, s", 0.25, 20, why=_TURNS),
    "39": Bound("recorded after, s", 2, 20, loose=True, why="a second of it is the grace for late output"),
    "40": Bound("all recorded after, s", 5, 30, why=_TURNS),
    "41": Bound("last start late, s", 5, 60, why=_TURNS),
    "41 queue": Bound("others late at most, s", 0.5, 60, why=_TURNS),
    "43": Bound("others late at most, s", 0.5, 20, why="a process of Python is started for each function"),
    "44": Bound("resumed after, s", 2, 15, loose=True, why=_SECOND),
    "45": Bound(
        "a silent server noticed after, s",
        15,
        40,
        loose=True,
        why="10 s of it are the patience with a server",
    ),
    "46": Bound("recorded after there was room, s", 5, 20, why="the disk is filled all the while"),
    "59": Bound("runs late at most, s", 0.1, 5, why=_TURNS),
}


def bound_of(case: str, wanted: str) -> tuple[str, float]:
    """What is measured, and what it is held to now. `wanted`: RUNNER_FAULTS."""
    bound = BOUNDS.get(case) or BOUNDS[case.split()[0]]
    if wanted == "long" or bound.busy is None or not (bound.loose or _busy()):
        return bound.what, bound.promised
    return bound.what, bound.busy


def _busy() -> bool:
    """More to do than processors, for the last minute."""
    return os.getloadavg()[0] > (os.cpu_count() or 1) * 0.9
