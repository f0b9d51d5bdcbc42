"""A Tornado program: a coroutine and a function, and the loop stopped by a job."""
from tornado.ioloop import IOLoop

from apscheduler.schedulers.tornado import TornadoScheduler

seen = []


async def tick():
    seen.append("coroutine")
    check()


def tock():
    seen.append("function")
    IOLoop.current
    loop.add_callback(check)


def check():
    if seen.count("coroutine") >= 2 and seen.count("function") >= 2:
        loop.stop()


async def begin():
    scheduler.start()
    scheduler.add_job(tick, "interval", seconds=0.1)
    scheduler.add_job(tock, "interval", seconds=0.1)
    print(scheduler.running, len(scheduler.get_jobs()))


loop = IOLoop.current()
scheduler = TornadoScheduler()
loop.add_callback(begin)
loop.call_later(60, loop.stop)
loop.start()
print(sorted(set(seen)), min(seen.count("coroutine"), seen.count("function")) >= 2)
