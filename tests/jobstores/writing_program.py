"""Writes one batch after the other until it is killed: python writing_program.py KIND URL SIZE FIRST.

Prints the number of each batch that was written.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from runner.core.action import Save
from runner.core.run import Job
from runner.testing.jobstore_values import NOON, SOURCE, run, spec


def batch(number: int, size: int) -> list[Save]:
    jobs = [spec(f"job{index}", description="d" * 200) for index in range(size)]
    moment = NOON + number
    return [*(Save(Job(job, moment)) for job in jobs), *(Save(run(job, moment)) for job in jobs)]


def main(kind: str, url: str, size: int, first: int) -> None:
    from tests.jobstores.store_kinds import KINDS

    store = KINDS[kind].make(url)
    store.open()
    fence = store.hold(SOURCE, f"writer {first}", NOON)
    assert fence is not None, "somebody else leads"
    for number in count(first):
        store.write(batch(number, size), fence)
        print(number, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
