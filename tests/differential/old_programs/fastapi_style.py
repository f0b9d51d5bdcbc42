"""An asyncio program whose scheduler lives as long as the application, as with a lifespan."""
import asyncio
from contextlib import asynccontextmanager

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

scheduler = AsyncIOScheduler(timezone="UTC", job_defaults={"misfire_grace_time": None})
state = {"beats": 0}
done = None
told = {}


@scheduler.scheduled_job("interval", seconds=0.1, id="heartbeat")
async def heartbeat():
    await asyncio.sleep(0)
    state["beats"] += 1
    if state["beats"] == 3:
        scheduler.remove_job("heartbeat")
        done.set()


async def once(text):
    await asyncio.sleep(0.01)
    return text.upper()


async def broken():
    raise RuntimeError("no")


def heard(event):
    if event.job_id in ("once", "broken"):
        print(event.job_id, event.retval, repr(event.exception))
        told[event.job_id].set()


@asynccontextmanager
async def lifespan():
    scheduler.add_listener(heard, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    scheduler.start()
    yield
    scheduler.shutdown()


async def main():
    global done
    done = asyncio.Event()
    told.update(once=asyncio.Event(), broken=asyncio.Event())
    async with lifespan():
        print(sorted(job.id for job in scheduler.get_jobs()))
        scheduler.add_job(once, args=["hello"], id="once")
        await asyncio.wait_for(told["once"].wait(), 60)
        scheduler.add_job(broken, id="broken")
        scheduler.add_job(once, CronTrigger.from_crontab("*/5 * * * *", timezone="UTC"), args=["x"], id="cron")
        scheduler.add_job(once, IntervalTrigger(minutes=5, timezone="UTC"), args=["x"], id="interval")
        await asyncio.wait_for(done.wait(), 60)
        await asyncio.wait_for(told["broken"].wait(), 60)
        print(sorted((job.id, str(job.trigger)) for job in scheduler.get_jobs()))
    await asyncio.sleep(0)
    print("beats", state["beats"], "running", scheduler.running)


asyncio.run(main())
