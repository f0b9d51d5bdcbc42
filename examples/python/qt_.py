"""A scheduler in a Qt program: jobs work in threads, listeners in the thread of the windows. Ends with Ctrl-C."""

import signal
import sys
from typing import Any

from PySide6.QtCore import QCoreApplication, QTimer

from runner.events import EVENT_JOB_EXECUTED
from runner.schedulers.qt import QtScheduler


def measure() -> int:
    return 42


def show(event: Any) -> None:
    print(f"measured {event.retval}", flush=True)  # here a window would be updated


if __name__ == "__main__":
    app = QCoreApplication(sys.argv)
    signal.signal(signal.SIGINT, lambda number, frame: app.quit())
    awake = QTimer()  # Python sees signals only when Qt lets it
    awake.start(100)
    awake.timeout.connect(lambda: None)
    scheduler = QtScheduler()
    scheduler.add_listener(show, EVENT_JOB_EXECUTED)
    scheduler.add_job(measure, "interval", seconds=1)
    scheduler.start()
    app.exec()
    scheduler.shutdown()
