"""Many rows in few statements, for the one path on which thousands of rows come in a second.

A statement that writes a hundred rows costs little more than one that writes a single row, and
leaves the interpreter free while it runs. The texts are made of our own names only.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table

Values = tuple[Any, ...]

# Powers of two, so that there are few texts, and each is prepared once.
MOST = 256
# SQLite takes 32,766 parameters, PostgreSQL 32,767.
PARAMETERS = 32_000


def insert(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Values]
) -> None:
    """Insert them all."""
    for part in _parts(rows, len(columns)):
        text = _insert(connection.dialect.name, table.name, columns, len(part))
        connection.exec_driver_sql(text, _flat(part))


def overwrite(
    connection: Connection,
    table: Table,
    columns: tuple[str, ...],
    rows: Sequence[Values],
    changing: tuple[str, ...],
) -> None:
    """Change rows that exist, found by the first of the columns, the primary key."""
    for part in _parts(rows, len(columns)):
        text = _insert(connection.dialect.name, table.name, columns, len(part))
        text += _conflict(columns[0], changing)
        connection.exec_driver_sql(text, _flat(part))


def matching(
    connection: Connection, table: str, column: str, values: Sequence[str], rest: str = ""
) -> Sequence[Any]:
    """The rows in which the column has one of the values, and the condition `rest` holds."""
    if not values:
        return ()
    text = _matching(connection.dialect.name, table, column, rest)
    return connection.exec_driver_sql(text, (_list(connection, values),)).all()


def _list(connection: Connection, values: Sequence[str]) -> Any:
    """The values as one parameter; they are hashes and identifiers of ours."""
    if connection.dialect.name == "postgresql":
        return list(values)
    return '["' + '","'.join(values) + '"]'


@cache
def _matching(dialect: str, table: str, column: str, rest: str) -> str:
    if dialect == "postgresql":
        return f"SELECT t.* FROM {table} t WHERE t.{column} = ANY($1) {rest}"  # noqa: S608 - names of ours
    # The other way round the whole table would be read.
    return (
        f"SELECT t.* FROM json_each(?) wanted CROSS JOIN {table} t "  # noqa: S608 - names of ours
        f"WHERE t.{column} = wanted.value {rest}"
    )


@cache
def _insert(dialect: str, table: str, columns: tuple[str, ...], rows: int) -> str:
    width = len(columns)
    if dialect == "postgresql":
        marks = (f"${n + 1}" for n in range(rows * width))
    else:
        marks = ("?" for _ in range(rows * width))
    groups = ", ".join(f"({', '.join([next(marks) for _ in columns])})" for _ in range(rows))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {groups}"  # noqa: S608 - names of ours


@cache
def _conflict(key: str, changing: tuple[str, ...]) -> str:
    changes = ", ".join(f"{name} = excluded.{name}" for name in changing)
    return f" ON CONFLICT ({key}) DO UPDATE SET {changes}"


def _parts(rows: Sequence[Values], width: int) -> Iterator[Sequence[Values]]:
    """The largest powers of two first."""
    start, size = 0, MOST
    while size * width > PARAMETERS:
        size //= 2
    while start < len(rows):
        while size > len(rows) - start:
            size //= 2
        yield rows[start : start + size]
        start += size


def _flat(rows: Sequence[Values]) -> Values:
    return tuple([value for row in rows for value in row])
