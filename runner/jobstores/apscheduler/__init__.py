"""Reading what APScheduler 3 wrote: its stores and its export files. Nothing that is read is ever executed."""

from runner.jobstores.apscheduler.exported import exported
from runner.jobstores.apscheduler.jobs import OldJob, job_of
from runner.jobstores.apscheduler.places import COLLECTION, KEY, TABLE, Entry, Place, place_of
from runner.jobstores.apscheduler.unpickle import Refused, loads

__all__ = [
    "COLLECTION",
    "KEY",
    "TABLE",
    "Entry",
    "OldJob",
    "Place",
    "Refused",
    "exported",
    "job_of",
    "loads",
    "place_of",
]
