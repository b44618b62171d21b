"""The schema and its migrations: Alembic, run when the store is opened."""

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from sre_daemon.errors import MigrationFailed
from sre_daemon.store.database import prepare

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(file: Path) -> None:
    """Bring the file to this version; each migration is one transaction together with its record.

    Raises:
        MigrationFailed: a newer version wrote this file, or it is no database, or the disk is full.
    """
    engine = create_engine(f"sqlite:///{file}")
    prepare(engine, "BEGIN IMMEDIATE")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as failure:
        raise MigrationFailed(
            f"{file} was written by a newer version: {failure}", "install that version again"
        ) from failure
    except (SQLAlchemyError, sqlite3.Error, OSError) as failure:
        raise MigrationFailed(
            f"{file} cannot be brought to this version: {getattr(failure, 'orig', failure)}",
            "check that it is the daemon's file and that the disk has room",
        ) from failure
    finally:
        engine.dispose()
