"""From the setting `store` to a database."""

from pathlib import Path

from sre_daemon.store.database import Database
from sre_daemon.store.postgres import PostgresDatabase, address
from sre_daemon.store.sqlite import MemoryDatabase, SqliteDatabase


def database(store: str, data: Path, password: str = "") -> Database:
    """`sqlite` is a file in `data`, `memory` nothing that lasts, else the address of a PostgreSQL.

    Raises:
        ConfigError: neither.
    """
    if store == "sqlite":
        return SqliteDatabase(data / "sre-daemon.sqlite3")
    if store == "memory":
        return MemoryDatabase()
    return PostgresDatabase(address(store, password))
