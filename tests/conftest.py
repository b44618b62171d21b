"""Fixtures that more than one suite uses."""

import pytest

from tests.support.postgres import Server


@pytest.fixture(scope="session")
def postgres():
    """One PostgreSQL server for all tests of this process."""
    server = Server()
    yield server
    server.stop()
