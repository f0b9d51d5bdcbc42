"""Work in other processes; what comes back, and what went wrong there."""
import os
import threading

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from apscheduler.schedulers.background import BackgroundScheduler

answers, over = {}, threading.Event()


def square(number):
    return number * number, os.getpid()


def wrong():
    raise KeyError("what is this?")


def heard(event):
    answers[event.job_id] = event
    if len(answers) == 2:
        over.set()


if __name__ == "__main__":
    scheduler = BackgroundScheduler(executors={"default": {"type": "processpool", "max_workers": 2}}, timezone="UTC")
    scheduler.add_listener(heard, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    scheduler.start()
    scheduler.add_job(square, args=[12], id="square", misfire_grace_time=None)
    scheduler.add_job(wrong, id="wrong", misfire_grace_time=None)
    print(over.wait(60))
    value, pid = answers["square"].retval
    print(value, pid != os.getpid(), repr(answers["wrong"].exception))
    scheduler.shutdown()
