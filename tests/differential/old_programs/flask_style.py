"""A web program with a scheduler in the background, jobs in SQLite, and a page that lists and commands them."""
import atexit
import json
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

from apscheduler.jobstores.base import JobLookupError
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler

ticked = threading.Event()


def tick(name):
    ticked.set()
    return name


scheduler = BackgroundScheduler(
    jobstores={"default": SQLAlchemyJobStore(url="sqlite:///" + sys.argv[1] + "/web.db")},
    job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 60},
    timezone="UTC",
)


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        status, answer = 200, None
        verb, _, job_id = self.path.strip("/").partition("/")
        try:
            if verb == "jobs":
                answer = [{"id": job.id, "name": job.name, "trigger": str(job.trigger)} for job in scheduler.get_jobs()]
            elif verb == "pause":
                answer = str(scheduler.pause_job(job_id))
            elif verb == "remove":
                answer = scheduler.remove_job(job_id)
        except JobLookupError as error:
            status, answer = 404, str(error)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *args):
        pass


def get(path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/{path}") as answer:
            print(path, answer.status, answer.read().decode())
    except urllib.error.HTTPError as error:
        print(path, error.code, error.read().decode())


if __name__ == "__main__":
    scheduler.start()
    atexit.register(lambda: scheduler.shutdown())
    scheduler.add_job(tick, "interval", seconds=0.2, args=["a"], id="tick", replace_existing=True)
    scheduler.add_job(tick, "cron", args=["b"], day_of_week="mon-fri", hour="9-17", id="office", replace_existing=True)
    server = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ticked", ticked.wait(60))
    for path in ("pause/office", "remove/tick", "remove/tick", "jobs"):
        get(path)
    server.shutdown()
