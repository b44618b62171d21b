"""Alembic's entry point: runs the migrations on the connection that `schema.migrate` opened."""

from alembic import context

from sre_daemon.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
