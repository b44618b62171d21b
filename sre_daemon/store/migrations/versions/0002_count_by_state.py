"""count incidents by state from an index"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("incidents_by_state", "incidents", ["state", "severity", "updated_at"])
