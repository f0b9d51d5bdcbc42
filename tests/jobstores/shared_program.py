"""A scheduler on a shared store, whose job adds a line four times a second: python shared_program.py KIND URL MARKS.

Prints `ready` when its job stands in the store.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))


def mark() -> None:
    """The job: nothing to do, the marks are made by whoever hears of its end."""


def main(kind: str, url: str, marks: str) -> None:
    from runner.events import EVENT_JOB_EXECUTED
    from runner.schedulers.background import BackgroundScheduler
    from tests.jobstores import shared_program  # The job's function by the name that the other process knows.
    from tests.jobstores.store_kinds import KINDS

    scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": KINDS[kind].make(url)})

    def executed(event: Any) -> None:
        with Path(marks).open("a") as file:
            file.write(f"{os.getpid()} {event.scheduled_run_time.isoformat()}\n")

    scheduler.add_listener(executed, EVENT_JOB_EXECUTED)
    scheduler.start()
    scheduler.add_job(
        shared_program.mark,
        "interval",
        seconds=0.25,
        id="mark",
        start_date="2020-01-01",
        misfire_grace_time=1,
        replace_existing=True,
    )
    print("ready", flush=True)
    threading.Event().wait(900)


if __name__ == "__main__":
    main(*sys.argv[1:])
