"""One browser for all of these tests."""

import pytest_asyncio

from tests.support.browser import chromium


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser():
    """Started once."""
    async with chromium() as started:
        yield started
