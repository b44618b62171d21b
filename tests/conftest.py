"""Fixtures that more than one suite uses."""

import os

import pytest
from hypothesis import settings

from tests.support.engine import running_engine
from tests.support.postgres import Server

# How long one example takes says more about the machine than about the code. The gate draws the
# same examples each time, so that a change is judged by itself; at home each run looks further.
settings.register_profile("home", deadline=None)
settings.register_profile("gate", deadline=None, derandomize=True)
settings.load_profile("gate" if os.environ.get("CI") else "home")


@pytest.fixture(scope="session")
def postgres():
    """One PostgreSQL server for all tests of this process."""
    server = Server()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def engine():
    """One Docker Engine for all tests of this process; other processes may use it too."""
    with running_engine() as engine:
        yield engine
