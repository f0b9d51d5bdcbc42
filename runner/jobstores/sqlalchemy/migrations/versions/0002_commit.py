"""Which commit of the jobs' files a run was made from."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, String

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

DIGEST = String(64).with_variant(String(64, "utf8mb4_nopad_bin"), "mysql", "mariadb")


def upgrade() -> None:
    # Nullable, and nothing else changes: a runner of the version before goes on writing beside this one.
    op.add_column("runner_runs", Column("config_commit", DIGEST))


def downgrade() -> None:
    op.drop_column("runner_runs", "config_commit")
