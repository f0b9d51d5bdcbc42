"""Jobs in MongoDB, with a client of one's own."""
import os

from pymongo import MongoClient

from apscheduler.jobstores.mongodb import MongoDBJobStore
from apscheduler.schedulers.background import BackgroundScheduler


def work():
    return None


client = MongoClient(os.environ["MONGODB_URL"])
scheduler = BackgroundScheduler(
    jobstores={"default": MongoDBJobStore(database="example", collection="tasks", client=client)}, timezone="UTC"
)
if __name__ == "__main__":
    scheduler.start(paused=True)
    scheduler.remove_all_jobs()
    scheduler.add_job("__main__:work", "cron", day="last", hour=4, year=2050, id="monthly")
    scheduler.print_jobs()
    scheduler.pause_job("monthly")
    scheduler.print_jobs()
    scheduler.shutdown()
