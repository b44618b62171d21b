"""claim in the order of an index, runs by their start"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    in_line = sa.text("state NOT IN ('closed', 'escalated')")
    op.drop_index("incidents_to_claim", "incidents")
    op.create_index(
        "incidents_in_line",
        "incidents",
        ["rank", "created_at"],
        sqlite_where=in_line,
        postgresql_where=in_line,
    )
    op.create_index("runs_by_start", "runs", ["started_at"])
