"""The tables. Moments are UTC integers (microseconds); what is only ever read whole is JSON text.

A run's row is the row of its occurrence too: `occurrences` holds those that did not run.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text, select

metadata = MetaData()

SOURCE = String(512)
ID = String(255)
NONCE = String(32)
WORD = String(32)

meta = Table(
    "runner_meta", metadata, Column("name", WORD, primary_key=True), Column("value", Text, nullable=False)
)

specs = Table(
    "runner_specs",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("spec", Text, nullable=False),
)

jobs = Table(
    "runner_jobs",
    metadata,
    Column("source", SOURCE, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("next_at", BigInteger),
    Column("state", WORD, nullable=False),
    Column("reason", Text, nullable=False),
    Column("paused_until", BigInteger),
    Column("passed", BigInteger),
    Column("last_status", WORD),
    Column("last_success", BigInteger),
    Column("failures", Integer, nullable=False),
    Column("backs", Integer, nullable=False),
    Column("late_at", BigInteger),
)

runs = Table(
    "runner_runs",
    metadata,
    Column("source", SOURCE, primary_key=True),
    Column("job", ID, primary_key=True),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("nonce", NONCE, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("status", WORD, nullable=False),
    Column("reason", Text, nullable=False),
    Column("origin", WORD, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("params", Text, nullable=False),
    Column("steps", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("due", BigInteger),
    Column("last_success", BigInteger),
    Index("runner_runs_live", "source", "ended_at"),
    Index("runner_runs_recent", "ended_at"),
)

occurrences = Table(
    "runner_occurrences",
    metadata,
    Column("source", SOURCE, primary_key=True),
    Column("job", ID, primary_key=True),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("nonce", NONCE, primary_key=True),
    Column("state", WORD, nullable=False),
    Column("reason", Text, nullable=False),
    Column("last", BigInteger),
    Column("count", Integer, nullable=False),
    Column("into", BigInteger),
    Column("detail", Text, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Index("runner_occurrences_recent", "decided_at"),
)

incidents = Table(
    "runner_incidents",
    metadata,
    Column("source", SOURCE, primary_key=True),
    Column("job", ID, primary_key=True),
    Column("kind", WORD, primary_key=True),
    Column("since", BigInteger, primary_key=True, autoincrement=False),
    Column("closed_at", BigInteger),
    Column("incident", Text, nullable=False),
)

deliveries = Table(
    "runner_deliveries",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("source", SOURCE, nullable=False),
    Column("state", WORD, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("delivery", Text, nullable=False),
    Index("runner_deliveries_waiting", "source", "state"),
)

requests = Table(
    "runner_requests",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("source", SOURCE, nullable=False),
    Column("state", WORD, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("request", Text, nullable=False),
    Index("runner_requests_asked", "source", "state"),
)

leases = Table(
    "runner_leases",
    metadata,
    Column("source", SOURCE, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),
    Column("until", BigInteger),
)

SWEPT = select(meta.c.value).where(meta.c.name == "swept").with_for_update(read=True)
"""How often specs were purged: a writer that saw fewer looks again whether those it refers to are there."""
