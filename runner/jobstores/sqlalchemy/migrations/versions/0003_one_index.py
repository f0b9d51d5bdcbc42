"""One index of runs where there were two: each is written as a run begins, and again as it ends."""

from __future__ import annotations

from alembic import op
from sqlalchemy import inspect

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_RECENT = "runner_runs_recent"


def upgrade() -> None:
    # What it found is found source by source. A runner of the version before goes on beside this one.
    if _RECENT in {index["name"] for index in inspect(op.get_bind()).get_indexes("runner_runs")}:
        op.drop_index(_RECENT, "runner_runs")


def downgrade() -> None:
    op.create_index(_RECENT, "runner_runs", ["ended_at"])
