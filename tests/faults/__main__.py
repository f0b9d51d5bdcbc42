"""Runs the fault cases and prints their figures: `python -m tests.faults [CASES ...] [--page docs/reliability.md]`.

CASES are numbers, such as `31`, or pytest's -k words. RUNNER_FAULTS=long (as it is where nothing is said) runs them as
often as promised, a number such as 0.1 that part of it, `short` as often as the suite does. `--no-run` only shows and
writes what earlier runs found.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.faults import elsewhere, figures

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def main() -> int:
    args = sys.argv[1:]
    page = None
    if "--page" in args:
        at = args.index("--page")
        page = Path(args[at + 1])
        del args[at : at + 2]
    if "--no-run" in args:
        return shown(page)
    wanted = {int(each) for each in args if each.isdigit()}
    words = [each for each in args if not each.isdigit()]
    chosen = ["-k", " or ".join(words)] if words else []
    # Rooms without a figure of their own are left out where words choose.
    rooms = ["tests/faults"] if words else elsewhere.paths(wanted)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.faults.elsewhere", *rooms, *chosen]
    code = 0
    for turn in turns(wanted, words):
        done = subprocess.run(
            [*command, *turn.options],
            env={
                **os.environ,
                "RUNNER_FAULTS": os.environ.get("RUNNER_FAULTS", "long"),
                "RUNNER_FAULTS_CASES": " ".join(map(str, sorted(turn.cases))),
            },
        )
        code = code or done.returncode
    shown(page)
    return code


ALONE = frozenset({4, 5, 14, 25, 36, 37, 39, 40, 41, 43})
"""Cases that measure speed within seconds, and are short: others beside them would be what is measured."""
SIDE_BY_SIDE = ("-n", "3", "--dist", "worksteal")
"""The others mostly wait: for a second to come, for a lock, for a lease."""


@dataclass(frozen=True, slots=True)
class Turn:
    cases: frozenset[int]
    options: tuple[str, ...] = ()


def turns(wanted: set[int], words: list[str]) -> list[Turn]:
    """What is run after one another: where nobody chose, first the cases that may stand side by side."""
    if wanted or words:
        return [Turn(frozenset(wanted))]
    return [Turn(frozenset(range(1, 61)) - ALONE, SIDE_BY_SIDE), Turn(ALONE)]


def shown(page: Path | None) -> int:
    """Print the table, and put it into the page where one is named."""
    print(figures.table(figures.load()))
    if page is not None:
        write(page)
    return 0


def write(page: Path) -> None:
    """Put the table between the marks of the page. A line there that stands for more faults than the new one stays."""
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    known, _, after = rest.partition(END)
    rows = figures.merged(figures.read(known), figures.rows(figures.load()))
    where = f"Measured on {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}."
    page.write_text(f"{before}{BEGIN}\n\n{where}\n\n{figures.lines(rows)}\n\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
