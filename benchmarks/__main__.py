"""Runs every table of this directory, prints it, and writes it down: `python -m benchmarks [--quick] [TABLE...]`.

Rivals are installed in a bench environment only. README.md says what a table gives.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.measure import Table, Wrong, taken
from benchmarks.page import as_text, gates, write

TABLES = (
    "triggers",
    "dispatch",
    "syncs",
    "lateness",
    "wakeup",
    "store",
    "stores",
    "commands",
    "loading",
    "library",
    "standing",
    "growth",
)
HERE = Path(__file__).parent


def main() -> int:
    known = [name for name in TABLES if (HERE / f"{name}.py").exists()]
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument(
        "tables", nargs="*", metavar="TABLE", help=f"of {', '.join(known)}; all if none is named"
    )
    parser.add_argument("--quick", action="store_true", help="smaller numbers, under two minutes in all")
    parser.add_argument("--json", type=Path, help="where the figures are written (benchmarks/results.json)")
    parser.add_argument("--page", type=Path, help="a page for people, generated from the figures")
    parser.add_argument(
        "--strict", action="store_true", help="fail where a gate that was measured is not met"
    )
    args = parser.parse_args()
    unknown = [name for name in args.tables if name not in known]
    if unknown:
        parser.error(f"there is no table {unknown[0]!r}; there are {', '.join(known)}")
    found = machine()
    tables: dict[str, Table] = {}
    results: dict[str, Any] = {"machine": found, "quick": args.quick, "tables": {}, "wrong": {}}
    for name in args.tables or known:
        began = time.perf_counter()
        try:
            table = take(name, args.quick)
        except Wrong as error:
            results["wrong"][name] = str(error)
            print(f"\n## {name}\n\nNo figures: {error}", flush=True)
            continue
        seconds = round(time.perf_counter() - began, 1)
        tables[name] = table
        results["tables"][name] = {**table.as_json(), "seconds": seconds}
        print(f"{as_text(table)}\n({name}: {seconds} s)", flush=True)
    found["load after"] = load()
    text, good = gates(tables)
    print(f"\n## The six gates\n\n{text}")
    (args.json or HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    if args.page:
        write(args.page, found, tables, args.quick)
    return 1 if results["wrong"] or (args.strict and not good) else 0


def take(name: str, quick: bool) -> Table:
    """A table, taken in a process of its own: how one sets the garbage collector is nothing to the next."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(taken, name, quick).result()


def machine() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processors": len(os.sched_getaffinity(0)),
        "load": load(),
        "commit": _commit(),
    }


def load() -> float:
    """How many wanted a processor, on average, in the last minute."""
    return round(os.getloadavg()[0], 1)


def _commit() -> str:
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=HERE, capture_output=True, text=True, check=False
    )
    return asked.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
