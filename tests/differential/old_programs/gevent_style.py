"""A gevent program that is patched, and joins what start returns."""
from gevent import monkey

monkey.patch_all()

import gevent

from apscheduler.schedulers.gevent import GeventScheduler

count = 0


def tick():
    global count
    count += 1
    if count == 3:
        gevent.spawn_later(0, scheduler.shutdown, False)


scheduler = GeventScheduler(timezone="UTC")
scheduler.add_job(tick, "interval", seconds=0.1)
g = scheduler.start()
with gevent.Timeout(60):
    g.join()
print("joined", count, scheduler.running)
