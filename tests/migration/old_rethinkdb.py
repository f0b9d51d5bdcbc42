"""APScheduler's own RethinkDB store on the stand-in, which knows the terms of our store and not all of APScheduler's:
the start and the sorted reading are made of what it knows. Each job is written and read by APScheduler itself."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from apscheduler.jobstores.base import BaseJobStore
from apscheduler.jobstores.rethinkdb import RethinkDBJobStore
from rethinkdb.errors import ReqlOpFailedError


class Store(RethinkDBJobStore):  # type: ignore[misc]
    def start(self, scheduler: Any, alias: str) -> None:
        BaseJobStore.start(self, scheduler, alias)
        self.conn = self.r.connect(**self.connect_args)
        place = self.r.db(self.database)
        for make in (self.r.db_create(self.database), place.table_create(self.table_name)):
            with suppress(ReqlOpFailedError):
                make.run(self.conn)
        self.table = place.table(self.table_name)

    def get_next_run_time(self) -> None:
        return None

    def _get_jobs(self, predicate: Any = None) -> list[Any]:
        return [self._reconstitute_job(each["job_state"]) for each in self.table.run(self.conn)]
