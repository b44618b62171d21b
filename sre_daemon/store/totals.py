"""Counts over all incidents, for metrics and the status page."""

from sqlalchemy import Connection, func, select

from sre_daemon.domain.alert import Severity
from sre_daemon.domain.lifecycle import State
from sre_daemon.store import tables as t
from sre_daemon.store.base import Totals
from sre_daemon.store.forget import forgotten


def totals(connection: Connection) -> Totals:
    """At one moment. An index holds all that is counted, so that the incidents are not read."""
    i = t.incidents.c
    counted = select(i.state, i.severity, func.count().label("n")).group_by(i.state, i.severity)
    incidents = dict.fromkeys(State, 0)
    queue = {severity.value: 0 for severity in Severity}
    for row in connection.execute(counted):
        incidents[State(row.state)] += row.n
        if row.state == State.TRIGGERED.value:
            queue[row.severity] += row.n
    gone = forgotten(connection)
    return Totals(incidents, queue, sum(incidents.values()) + gone, incidents[State.CLOSED] + gone)
