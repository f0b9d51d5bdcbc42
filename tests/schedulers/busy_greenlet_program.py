# ruff: noqa: E402 - a program that is patched is patched before anything else is imported
"""A gevent program with a greenlet that does not yield for a while. Run by test_busy_greenlet.py.

python busy_greenlet_program.py WHEN DIRECTORY URL: WHEN gevent patches it: `before` our import, `after` it, or `never`;
the store's URL.
"""

from __future__ import annotations

import sys

WHEN, WHERE, URL = sys.argv[1:4]
if WHEN == "before":
    import gevent.monkey

    gevent.monkey.patch_all()

import os
import time

from runner.jobstores.urls import store_of
from runner.schedulers.gevent import GeventScheduler
from runner.triggers.interval import IntervalTrigger

if WHEN == "after":
    import gevent.monkey

    gevent.monkey.patch_all()

PATIENCE = 200.0


def mark(name: str) -> None:
    """Says that it ran."""
    with open(os.path.join(WHERE, name), "a") as file:
        file.write("ran\n")


def there(name: str) -> bool:
    return os.path.exists(os.path.join(WHERE, name))


def main() -> None:
    import gevent

    scheduler = GeventScheduler(jobstores={"default": store_of(URL)})
    scheduler.add_executor("processpool", "processes", max_workers=1)
    greenlet = scheduler.start()
    for job, executor in (("greenlet", "default"), ("process", "processes")):
        often = IntervalTrigger(seconds=0.1)
        scheduler.add_job(mark, often, [job], id=job, executor=executor, max_instances=10_000)
    with gevent.Timeout(PATIENCE):
        while not (there("greenlet") and there("process")):
            gevent.sleep(0.01)
    print("busy", flush=True)
    until, turns = time.monotonic() + PATIENCE, 0
    # Seldom, for each look lets go of the interpreter for a moment too short for another thread to wake up in, and
    # that thread asks for it only after 5 ms without such a moment.
    while turns % 1_000_000 or (not there("enough") and time.monotonic() < until):
        turns += 1
    print("free", flush=True)
    with gevent.Timeout(PATIENCE):
        while not there("over"):
            gevent.sleep(0.01)
    scheduler.shutdown()
    greenlet.join(timeout=PATIENCE)
    print("ended" if greenlet.dead else "hangs", flush=True)


if __name__ == "__main__":
    main()
