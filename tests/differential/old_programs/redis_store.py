"""Jobs in Redis, with keys of one's own."""
import os
from datetime import datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler


def alarm(when):
    return when


scheduler = BackgroundScheduler(timezone="UTC")
scheduler.add_jobstore(
    "redis",
    jobs_key="example.jobs",
    run_times_key="example.run_times",
    host="127.0.0.1",
    port=int(os.environ["REDIS_PORT"]),
)
if __name__ == "__main__":
    scheduler.add_job(alarm, "date", run_date=datetime(2050, 1, 1), args=["x"], id="alarm", replace_existing=True)
    scheduler.start(paused=True)
    print([str(job) for job in scheduler.get_jobs()])
    scheduler.modify_job("alarm", next_run_time=datetime(2050, 1, 1) + timedelta(days=1))
    print(scheduler.get_job("alarm").next_run_time, scheduler.get_job("alarm").args)
    scheduler.remove_job("alarm")
    print(scheduler.get_jobs())
    scheduler.shutdown()
