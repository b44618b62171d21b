"""Fixtures that more than one suite uses."""

import pytest

from sre_daemon.store.place import database
from sre_daemon.store.sql import SqlStore
from stack.postgres import PASSWORD
from tests.support.postgres import Server

STORES = ("memory", "sqlite", "postgres")


@pytest.fixture(scope="session")
def postgres():
    """One PostgreSQL server for all tests of this process."""
    server = Server()
    yield server
    server.stop()


@pytest.fixture(params=STORES)
async def store(request, tmp_path):
    """An empty, open store of each kind."""
    kind = request.param
    where = request.getfixturevalue("postgres").database() if kind == "postgres" else kind
    opened = SqlStore(database(where, tmp_path, PASSWORD))
    await opened.open()
    yield opened
    await opened.close()
