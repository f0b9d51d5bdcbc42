"""Spellings that programs use and the guide does not: star imports, names by way, pairs, loops by name."""
import asyncio
import datetime
import sys

from apscheduler.events import *  # noqa: F403
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import (
    STATE_RUNNING,
    STATE_STOPPED,
    SchedulerAlreadyRunningError,
    SchedulerNotRunningError,
)
from apscheduler.triggers.cron import CronTrigger

print(datetime.datetime is type(datetime.datetime.min), EVENT_ALL)  # noqa: F405

scheduler = BackgroundScheduler(timezone=datetime.timezone.utc)
try:
    scheduler.shutdown()
except SchedulerNotRunningError as error:
    print(error)
scheduler.start(True)
try:
    scheduler.start()
except SchedulerAlreadyRunningError as error:
    print(error)
print(scheduler.state == STATE_RUNNING, scheduler.state == STATE_STOPPED)
when = datetime.datetime(2040, 1, 1)
job = scheduler.add_job(print, "date", ("x",), [("sep", "-"), ("end", "!")], run_date=when)
print(job.args, job.kwargs)
for field in CronTrigger(day="last,1st mon", hour="5-7/2", minute=0).fields:
    print(field.name, str(field), field.is_default, [str(each) for each in field.expressions])
scheduler.shutdown()

loop = asyncio.new_event_loop()
here = AsyncIOScheduler(event_loop=f"{__name__}:loop", timezone="UTC")
heard = []
here.add_listener(lambda event: heard.append(event.retval) or loop.stop(), EVENT_JOB_EXECUTED)  # noqa: F405


async def seven():
    return 7


here.start()
here.add_job(seven, misfire_grace_time=None)
loop.call_later(60, sys.exit, "it did not run")
loop.run_forever()
here.shutdown()
loop.run_until_complete(asyncio.sleep(0))
print(heard)
