"""The configuration of the user guide, with jobs that outlive a restart."""
import sys
from datetime import datetime

from apscheduler.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler

URL = "sqlite:///" + sys.argv[1] + "/jobs.sqlite"


def report(name, when=None):
    return name


def make():
    return BackgroundScheduler(
        jobstores={"default": SQLAlchemyJobStore(url=URL, tablename="my_jobs"), "volatile": MemoryJobStore()},
        executors={"default": ThreadPoolExecutor(20), "processpool": ProcessPoolExecutor(max_workers=5)},
        job_defaults={"coalesce": False, "max_instances": 3},
        timezone="UTC",
    )


if __name__ == "__main__":
    scheduler = make()
    scheduler.start()
    scheduler.add_job(report, "cron", ["daily"], {"when": datetime(2030, 1, 1)}, hour=3, id="daily", name="Daily report")
    scheduler.add_job(report, "interval", ["often"], hours=2, start_date="2050-01-01", id="often", executor="processpool")
    scheduler.add_job(lambda: None, "cron", hour=5, id="lost", jobstore="volatile")
    scheduler.pause_job("daily")
    scheduler.print_jobs()
    scheduler.shutdown()

    scheduler = make()
    scheduler.start(paused=True)
    scheduler.print_jobs()
    for job in scheduler.get_jobs():
        print(job.id, job.name, job.args, job.kwargs, job.next_run_time, job.max_instances, job.coalesce, job.executor)
    scheduler.resume_job("daily")
    print(scheduler.get_job("daily").next_run_time is not None)
    scheduler.reschedule_job("often", trigger="date", run_date="2060-01-01")
    print(scheduler.get_job("often"))
    scheduler.remove_all_jobs()
    print(scheduler.get_jobs())
    scheduler.shutdown()
