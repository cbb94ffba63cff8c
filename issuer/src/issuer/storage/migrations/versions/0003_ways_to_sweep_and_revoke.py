"""Ways to what is swept and revoked that do not read whole tables."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("codes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_codes_client_id"), ["client_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_codes_subject"), ["subject"], unique=False)
    with op.batch_alter_table("refresh_tokens", schema=None) as batch_op:
        batch_op.create_index(
            "ix_refresh_tokens_salted",
            ["spent_at"],
            unique=False,
            sqlite_where=sa.text("salt IS NOT NULL"),
            postgresql_where=sa.text("salt IS NOT NULL"),
        )
