"""When the metadata documents of clients were fetched."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "documents",
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("fetched_at", sa.BigInteger(), nullable=False),
        sa.Column("fresh_until", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["url"], ["clients.id"], name=op.f("fk_documents_url"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("url", name=op.f("pk_documents")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_documents_fetched_at"), ["fetched_at"], unique=False)
