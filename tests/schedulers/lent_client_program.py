# ruff: noqa: E402 - a program that is patched is patched before anything else is imported
"""A patched gevent program whose store works with the program's own client. Run by test_busy_greenlet.py.

python lent_client_program.py REDIS_URL SQLITE_FILE
"""

from __future__ import annotations

import gevent.monkey

gevent.monkey.patch_all()

import sys

import gevent
import redis
from sqlalchemy import create_engine

from runner.jobstores.redis import RedisJobStore
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from runner.schedulers.gevent import GeventScheduler

RAN: list[int] = []


def work() -> None:
    RAN.append(1)


def main() -> None:
    client = redis.Redis.from_url(sys.argv[1], decode_responses=True)
    client.ping()
    scheduler = GeventScheduler(jobstores={"default": RedisJobStore(client=client)})
    scheduler.start()
    scheduler.add_job(work, "interval", seconds=0.1, max_instances=100, id="work")
    with gevent.Timeout(90):
        while len(RAN) < 3:
            client.ping()
            gevent.sleep(0.01)
    assert len(scheduler.history("work")) >= 3
    scheduler.shutdown()

    scheduler = GeventScheduler()
    scheduler.start()
    scheduler.add_jobstore(SQLAlchemyJobStore(engine=create_engine(f"sqlite:///{sys.argv[2]}")), "of a file")
    try:
        scheduler.add_jobstore(RedisJobStore(client=client), "late")
    except ValueError as error:
        print(error)
    scheduler.shutdown()


if __name__ == "__main__":
    main()
