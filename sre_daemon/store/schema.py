"""The schema and its migrations: Alembic, run when the store is opened."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from sre_daemon.errors import MigrationFailed

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(connection: Connection) -> None:
    """Bring the database to this version, within the transaction of `connection`."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def require_current(connection: Connection) -> None:
    """For whoever only looks: the schema must be this version's already.

    Raises:
        MigrationFailed: it is not.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    ours = ScriptDirectory.from_config(config).get_current_head()
    theirs = MigrationContext.configure(connection).get_current_revision()
    if theirs != ours:
        raise MigrationFailed(
            f"the store has schema {theirs or 'none'}, and this version has {ours}",
            "use the version that the daemon runs, or start the daemon of this version first",
        )


@contextmanager
def failures(name: str) -> Iterator[None]:
    """What can go wrong while it is upgraded, as MigrationFailed; `name` tells people which one."""
    try:
        yield
    except CommandError as failure:
        raise MigrationFailed(
            f"{name} was written by a newer version: {failure}", "install that version again"
        ) from failure
    except (SQLAlchemyError, sqlite3.Error, OSError) as failure:
        raise MigrationFailed(
            f"{name} cannot be brought to this version: {getattr(failure, 'orig', failure)}",
            "check that it is the daemon's own and answers, and that its disk has room",
        ) from failure
