"""A Qt program without a window."""
import sys

from apscheduler.events import EVENT_JOB_EXECUTED
from apscheduler.schedulers.qt import QtScheduler
from PySide6.QtCore import QCoreApplication, QTimer

app = QCoreApplication(sys.argv)
results = []


def work(number):
    return number * 2


def heard(event):
    results.append(event.retval)


scheduler = QtScheduler(timezone="UTC", job_defaults={"misfire_grace_time": None})
scheduler.add_listener(heard, EVENT_JOB_EXECUTED)
scheduler.start()
for number in (1, 2, 3):
    scheduler.add_job(work, args=[number])
watch = QTimer()
watch.timeout.connect(lambda: app.quit() if len(results) == 3 else None)
watch.start(50)
QTimer.singleShot(60_000, app.quit)
app.exec()
scheduler.shutdown()
print(sorted(results), scheduler.running)
