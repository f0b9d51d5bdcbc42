"""The tables. Moments are UTC integers (microseconds); what is only ever read whole is JSON text.

A run's row is the row of its occurrence too: `occurrences` holds those that did not run.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text, select

metadata = MetaData()


def _string(length: int) -> String:
    """Text that is compared byte by byte, on MariaDB too."""
    return String(length).with_variant(String(length, "utf8mb4_nopad_bin"), "mysql", "mariadb")


# Together they fit MariaDB's longest key, 3072 bytes.
SOURCE = _string(440)
ID = _string(255)
NONCE = _string(32)
WORD = _string(32)
DIGEST = _string(64)
LONG = Text().with_variant(Text(2**32 - 1, "utf8mb4_bin"), "mysql", "mariadb")

meta = Table(
    "runner_meta", metadata, Column("name", WORD, primary_key=True), Column("value", LONG, nullable=False)
)

specs = Table(
    "runner_specs",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("spec", LONG, nullable=False),
)

jobs = Table(
    "runner_jobs",
    metadata,
    Column("source", SOURCE, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("digest", DIGEST, nullable=False),
    Column("next_at", BigInteger),
    Column("state", WORD, nullable=False),
    Column("reason", LONG, nullable=False),
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
    Column("digest", DIGEST, nullable=False),
    Column("status", WORD, nullable=False),
    Column("reason", LONG, nullable=False),
    Column("origin", WORD, nullable=False),
    Column("made_by", LONG, nullable=False),
    Column("params", LONG, nullable=False),
    Column("steps", LONG, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("due", BigInteger),
    Column("last_success", BigInteger),
    Column("config_commit", DIGEST),
    # No other one beside it: each is written as a run begins, and again as it ends.
    Index("runner_runs_live", "source", "ended_at"),
)

occurrences = Table(
    "runner_occurrences",
    metadata,
    Column("source", SOURCE, primary_key=True),
    Column("job", ID, primary_key=True),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("nonce", NONCE, primary_key=True),
    Column("state", WORD, nullable=False),
    Column("reason", LONG, nullable=False),
    Column("last", BigInteger),
    Column("count", Integer, nullable=False),
    Column("into", BigInteger),
    Column("detail", LONG, nullable=False),
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
    Column("incident", LONG, nullable=False),
)

deliveries = Table(
    "runner_deliveries",
    metadata,
    Column("id", DIGEST, primary_key=True),
    Column("source", SOURCE, nullable=False),
    Column("state", WORD, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("delivery", LONG, nullable=False),
    Index("runner_deliveries_waiting", "source", "state"),
)

requests = Table(
    "runner_requests",
    metadata,
    Column("id", DIGEST, primary_key=True),
    Column("source", SOURCE, nullable=False),
    Column("state", WORD, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("request", LONG, nullable=False),
    Index("runner_requests_asked", "source", "state"),
)

leases = Table(
    "runner_leases",
    metadata,
    Column("source", SOURCE, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("owner", LONG, nullable=False),
    Column("until", BigInteger),
)

SWEPT = select(meta.c.value).where(meta.c.name == "swept").with_for_update(read=True)
"""How often specs were purged: a writer that saw fewer looks again whether those it refers to are there."""
