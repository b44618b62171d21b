"""Counts over all incidents, for metrics and the status page."""

from datetime import datetime

from sqlalchemy import Connection, func, select

from sre_daemon.domain.alert import Severity
from sre_daemon.domain.lifecycle import State
from sre_daemon.store import rows
from sre_daemon.store import tables as t
from sre_daemon.store.base import Totals
from sre_daemon.store.forget import forgotten


def totals(connection: Connection) -> Totals:
    """At one moment. An index holds all that is counted, so that the incidents are not read."""
    i = t.incidents.c
    counted = select(
        i.state, i.severity, func.count().label("n"), func.min(i.updated_at).label("oldest")
    ).group_by(i.state, i.severity)
    incidents = dict.fromkeys(State, 0)
    oldest: dict[State, datetime] = {}
    queue = {severity.value: 0 for severity in Severity}
    for row in connection.execute(counted):
        state, since = State(row.state), rows.moment(row.oldest)
        incidents[state] += row.n
        oldest[state] = min(since, oldest.get(state, since))
        if state is State.TRIGGERED:
            queue[row.severity] += row.n
    gone = forgotten(connection)
    return Totals(
        incidents=incidents,
        queue=queue,
        accepted=sum(incidents.values()) + gone,
        settled=incidents[State.CLOSED] + gone,
        oldest=oldest,
    )
