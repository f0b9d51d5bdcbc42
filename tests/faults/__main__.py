"""Runs the fault cases and prints their figures: `python -m tests.faults [CASES ...] [--page docs/reliability.md]`.

RUNNER_FAULTS=long runs them as often as promised, a number such as 0.1 that part of it. CASES are pytest's -k words.
`--no-run` only shows and writes what earlier runs found.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

from tests.faults import figures

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
    chosen = ["-k", " or ".join(args)] if args else []
    command = [sys.executable, "-m", "pytest", "-q", "tests/faults", *chosen]
    done = subprocess.run(
        command, env={**os.environ, "RUNNER_FAULTS": os.environ.get("RUNNER_FAULTS", "long")}
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
    """Put the table between the marks of the page."""
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    where = f"Measured on {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}."
    page.write_text(f"{before}{BEGIN}\n\n{where}\n\n{figures.table(figures.load())}\n\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
