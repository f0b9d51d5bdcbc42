"""A program that logs what its jobs do, and tries a failed one again a little later."""
import threading
from datetime import datetime, timedelta, timezone

from apscheduler.events import (
    EVENT_ALL,
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MISSED,
    EVENT_SCHEDULER_SHUTDOWN,
    EVENT_SCHEDULER_STARTED,
    JobExecutionEvent,
)
from apscheduler.schedulers.background import BackgroundScheduler

over, tries = threading.Event(), []


def fragile():
    tries.append(1)
    if len(tries) < 3:
        raise ConnectionError(f"try {len(tries)}")
    return "at last"


def on_job(event):
    assert isinstance(event, JobExecutionEvent)
    if event.exception:
        print("failed", event.job_id, event.exception, event.traceback.strip().splitlines()[-1].strip()[:20])
        soon = datetime.now(timezone.utc) + timedelta(seconds=0.1)
        scheduler.add_job(fragile, "date", run_date=soon, id=f"again {len(tries)}")
    else:
        print("done", event.job_id, event.retval)
        over.set()


def on_state(event):
    print("state", event.code)


scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"misfire_grace_time": None})
scheduler.add_listener(on_job, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR | EVENT_JOB_MISSED)
scheduler.add_listener(on_state, EVENT_SCHEDULER_STARTED | EVENT_SCHEDULER_SHUTDOWN)
scheduler.start()
scheduler.add_job(fragile, id="first")
print(over.wait(60), EVENT_ALL)
scheduler.remove_listener(on_job)
scheduler.shutdown()
