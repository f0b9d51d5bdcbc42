"""A worker process: nothing but a scheduler, with decorators."""
import threading

from apscheduler.schedulers.blocking import BlockingScheduler

sched = BlockingScheduler(timezone="UTC")
ran = []


@sched.scheduled_job("interval", seconds=0.1, id="timed", max_instances=2)
def timed_job():
    ran.append("timed")
    if len(ran) == 3:
        threading.Thread(target=sched.shutdown).start()


@sched.scheduled_job("cron", day_of_week="mon-fri", hour=17)
def scheduled_job():
    ran.append("never")


print(timed_job.__name__, len(sched.get_jobs()))
sched.start()
print(sorted(set(ran)), sched.running)
