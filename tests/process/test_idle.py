"""What a runner that serves keeps loaded: nothing that it may never need."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import json, sys
from runner.cli import main
try:
    main(["serve", "-f", sys.argv[1]])
except SystemExit:
    print(json.dumps(sorted(sys.modules)))
"""
LATER = {
    "alembic": "until the schema is an older version's",
    "mako": "with alembic",
    "apprise": "until a first alert goes to one of its services",
    "requests": "with apprise",
    "urllib3": "with apprise",
    "certifi": "with apprise",
    "holidays": "until a calendar names a country",
    "icalendar": "until a calendar is a file of that kind",
    "dateutil": "with icalendar",
    "http": "until a step asks a server",
    "smtplib": "until mail is sent",
    "xml": "never",
    "unittest": "never",
    "pytest": "never",
    "sqlalchemy.orm": "never: the store is on Core",
    "sqlalchemy.dialects.postgresql": "on another store",
    "sqlalchemy.dialects.mysql": "on another store",
    "redis": "on another store",
    "pymongo": "on another store",
    "kazoo": "on another store",
    "etcd3gw": "on another store",
    "rethinkdb": "on another store",
    "psycopg": "on another store",
    "greenlet": "never: nothing here waits in an event loop",
    "tornado": "in programs",
    "twisted": "in programs",
    "gevent": "in programs",
    "runner.schedulers": "in programs",
    "runner.testing": "in tests",
    "runner.simulation": "for runner simulate",
    "runner.executors.http": "until a step asks a server",
    "runner.executors.pool": "until a step calls a function",
    "runner.jobstores.keyed": "on another store",
    "runner.jobstores.memory": "never",
    "runner.config.yacron": "for runner import",
    "runner.config.crontabs": "for runner import",
}
"""What must not be there, and when it may be."""


def test_a_runner_that_serves_commands_loads_no_more_than_it_needs(tmp_path: Path) -> None:
    file = tmp_path / "jobs.yaml"
    file.write_text("jobs:\n  each:\n    schedule: every 1s\n    run: echo ran\n")
    environ = {
        **os.environ,
        "RUNNER_STATE_DIR": str(tmp_path / "state"),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, file],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environ,
    )
    try:
        assert process.stdout is not None
        ran = next(line for line in process.stdout if "each" in line and "succeeded" in line)
        assert ran
        process.send_signal(signal.SIGTERM)
        said = process.stdout.read()
    finally:
        process.kill()
        process.communicate()
    loaded = set(json.loads(said.splitlines()[-1]))
    assert {"runner.service.serve", "sqlalchemy", "watchfiles"} <= loaded
    assert {name: LATER[name] for name in LATER if name in loaded} == {}
