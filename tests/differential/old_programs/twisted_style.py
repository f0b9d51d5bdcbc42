"""A Twisted program."""
from twisted.internet import reactor

from apscheduler.schedulers.twisted import TwistedScheduler

count = 0


def tick():
    global count
    count += 1
    if count == 3:
        reactor.callFromThread(end)


def end():
    scheduler.shutdown(wait=False)
    reactor.stop()


scheduler = TwistedScheduler(timezone="UTC")
scheduler.add_job(tick, "interval", seconds=0.1)
scheduler.start()
reactor.callLater(60, reactor.stop)
reactor.run()
print("ticks", count >= 3)
