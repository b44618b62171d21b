"""episodes without an incident, and an index of those that ended not long ago"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("episodes_by_identity", "episodes")
    with op.batch_alter_table("episodes") as batch_op:
        batch_op.alter_column("incident_id", existing_type=sa.Text(), nullable=True)
        batch_op.add_column(
            sa.Column("ended_lately", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    # What ended before this may have ended a moment ago; the next sweep knows.
    op.execute("UPDATE episodes SET ended_lately = NOT open")
    op.create_index(
        "episodes_ended_lately",
        "episodes",
        ["identity"],
        sqlite_where=sa.text("ended_lately"),
        postgresql_where=sa.text("ended_lately"),
    )
