"""What the whole fleet does one at a time: where a decision is about rows that may not exist yet.

On SQLite every transaction that writes has the file for itself. On PostgreSQL these are advisory
locks that end with the transaction; whoever takes several takes them in the order of this list.
"""

from enum import IntEnum

from sqlalchemy import Connection, text


class Turn(IntEnum):
    """Any number will do, as long as every version uses the same ones (see postgres.py, too)."""

    EFFECTS = 0x5DE_0003  # limits are counted, a pause is set, an intent is written
    AUDIT = 0x5DE_0004  # a line of the audit log follows the one before


def take(connection: Connection, turn: Turn) -> None:
    """Until this transaction ends, no other one that asked for the same turn goes on."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({turn.value})"))
