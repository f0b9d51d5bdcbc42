"""Run by alembic, with the connection that `database.migrate` hands over."""

from __future__ import annotations

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table="runner_alembic_version", render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
