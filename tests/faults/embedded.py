"""A program that embeds the library, as a web application would: a scheduler in a background thread."""

from __future__ import annotations

import os
import sys
import time
from datetime import datetime

from runner.schedulers.background import BackgroundScheduler


def note(name: str) -> None:
    """Append a line when it begins, and one when it ends."""
    for word in ("begin", "end"):
        line = f"{word} {name} {os.getpid()} {datetime.now().timestamp():.6f}\n"
        descriptor = os.open(os.environ["STARTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, line.encode())
        os.close(descriptor)
        if word == "begin":
            time.sleep(0.2)


def main() -> None:
    scheduler = BackgroundScheduler()
    scheduler.add_jobstore("sqlalchemy", url=os.environ["STORE"])
    for number in range(3):
        scheduler.add_job(
            note,
            "cron",
            second="*",
            id=f"tick{number}",
            args=[f"tick{number}"],
            replace_existing=True,
            max_instances=10,
            coalesce=False,
            misfire_grace_time=3600,
        )
    scheduler.start()
    print("started", flush=True)
    sys.stdin.read()
    scheduler.shutdown()


if __name__ == "__main__":
    main()
