"""A scheduler beside a program's own work: jobs in SQLite, an alert when one fails, and what ran. Ends with Ctrl-C."""

import signal
import time

from runner.schedulers.background import BackgroundScheduler


def report(name: str) -> str:
    print(f"report {name}", flush=True)
    return f"{name} is done"


def fragile() -> None:
    raise ConnectionError("the other side is away")


if __name__ == "__main__":
    scheduler = BackgroundScheduler(
        jobstores={"default": {"type": "sqlalchemy", "url": "sqlite:///example.db"}},
        channels={"ops": "log:"},
    )
    scheduler.start()
    # replace_existing keeps the job's place in time, so a restart does not start the interval over.
    scheduler.add_job(report, "interval", seconds=1, args=["sales"], id="sales", replace_existing=True)
    scheduler.add_job(fragile, id="fragile", retry={"max": 1, "delay": "100ms"}, notify="ops", timeout="30s")
    try:
        while not (runs := scheduler.history("fragile")) or runs[0].ended_at is None:
            time.sleep(0.1)
        run = runs[0]
        print(run.job_id, run.status, f"after {run.attempts} attempts:", run.error, flush=True)
        signal.pause()
    except (KeyboardInterrupt, SystemExit):
        scheduler.shutdown()
