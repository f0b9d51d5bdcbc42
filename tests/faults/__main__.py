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
    done = subprocess.run(
        command,
        env={
            **os.environ,
            "RUNNER_FAULTS": os.environ.get("RUNNER_FAULTS", "long"),
            "RUNNER_FAULTS_CASES": " ".join(map(str, sorted(wanted))),
        },
    )
    shown(page)
    return done.returncode


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
