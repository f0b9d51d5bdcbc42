# ruff: noqa: E402 - a program that is patched is patched before anything else is imported
"""A program that ends its framework's loop and forgets to shut its scheduler down. Run by test_host_gone.py."""

from __future__ import annotations

import sys

KIND = sys.argv[1]
if KIND == "gevent-patched":
    import gevent.monkey

    gevent.monkey.patch_all()

import asyncio
import os
import threading
from typing import Any

RAN: list[int] = []
PIDS = sys.argv[2]


def work() -> None:
    RAN.append(1)


def elsewhere() -> None:
    """Runs in a worker process, which says who it is."""
    with open(PIDS, "a") as file:
        file.write(f"{os.getpid()}\n")


def filled(scheduler: Any) -> Any:
    scheduler.add_executor("processpool", "processes", max_workers=1)
    scheduler.add_job(work, "interval", seconds=0.05, max_instances=100)
    scheduler.add_job(elsewhere, "interval", seconds=0.05, executor="processes", max_instances=100)
    return scheduler


def enough() -> bool:
    # That the file is there is not enough: a worker that is ended between opening and writing leaves it empty.
    return len(RAN) > 2 and os.path.exists(PIDS) and os.path.getsize(PIDS) > 0


async def until_enough() -> None:
    while not enough():
        await asyncio.sleep(0.01)


def run_asyncio() -> None:
    from runner.schedulers.asyncio import AsyncIOScheduler

    async def main() -> None:
        filled(AsyncIOScheduler()).start()
        await until_enough()

    asyncio.run(main())


def run_tornado() -> None:
    from runner.schedulers.tornado import TornadoScheduler

    async def main() -> None:
        filled(TornadoScheduler()).start()
        await until_enough()

    asyncio.run(main())


def run_twisted() -> None:
    from twisted.internet import reactor as theirs
    from twisted.internet import task

    from runner.schedulers.twisted import TwistedScheduler

    reactor: Any = theirs  # Its module is said to be the interfaces, whose methods lack their self.
    filled(TwistedScheduler()).start()
    task.LoopingCall(lambda: reactor.stop() if enough() and reactor.running else None).start(0.05)
    reactor.run()


def run_gevent() -> None:
    import gevent

    from runner.schedulers.gevent import GeventScheduler

    filled(GeventScheduler()).start()
    while not enough():
        gevent.sleep(0.01)


def run_qt() -> None:
    from PySide6.QtCore import QCoreApplication, QTimer

    from runner.schedulers.qt import QtScheduler

    app = QCoreApplication([])
    filled(QtScheduler()).start()
    timer = QTimer()
    timer.timeout.connect(lambda: app.quit() if enough() else None)
    timer.start(20)
    app.exec()


def run_background() -> None:
    from runner.schedulers.background import BackgroundScheduler

    filled(BackgroundScheduler()).start()
    over = threading.Event()
    while not enough():
        over.wait(0.01)


if __name__ == "__main__":
    globals()[f"run_{KIND.partition('-')[0]}"]()
    if KIND in ("asyncio", "tornado"):
        # The loop was closed: the clock thread finds that out and ends by itself, the program going on.
        pause = threading.Event()
        for _ in range(6000):
            if not any(thread.name == "runner-clock" for thread in threading.enumerate()):
                print("no clock thread is left", flush=True)
                break
            pause.wait(0.01)
    print("over", flush=True)
