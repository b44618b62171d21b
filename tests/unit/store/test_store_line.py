"""The line of incidents: those that a worker may take, in an order that needs no sorting."""

import re
from datetime import UTC, datetime

from sqlalchemy import create_engine
from sqlalchemy.dialects import sqlite

from sre_daemon.domain.lifecycle import WORKING, State
from sre_daemon.store import line
from sre_daemon.store.tables import IN_LINE, metadata

NOW = datetime(2026, 3, 14, 2, tzinfo=UTC)


def test_in_line_is_whoever_a_worker_works_on():
    left_out = set(re.findall(r"'(\w+)'", IN_LINE))
    assert left_out == set(State) - WORKING


def test_nothing_is_sorted_for_a_claim():
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    asked = line.due(NOW).compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    with engine.begin() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}")]
    engine.dispose()
    assert plan == ["SCAN incidents USING INDEX incidents_in_line"]
