"""Asks a source for something at each line on stdin, prints the request: python asking_program.py KIND URL SOURCE."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from runner.core.run import Request
from runner.testing.jobstore_values import NOON


def main(kind: str, url: str, source: str) -> None:
    from tests.jobstores.store_kinds import KINDS

    store = KINDS[kind].make(url)
    store.open()
    for number, _ in enumerate(sys.stdin):
        store.ask(Request(f"asked {number}", source, "pause", asked_at=NOON))
        print(f"asked {number}", flush=True)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
