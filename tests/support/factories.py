"""Values for tests: everything has a sensible default, a test names only what it is about."""

from dataclasses import replace
from datetime import timedelta

from sre_daemon.domain.alert import Alert, AlertStatus, Severity
from sre_daemon.domain.diagnosis import Diagnosis, Evidence
from sre_daemon.domain.effect import ConfigSet, ServiceRedeploy
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import Notification
from tests.support.clock import START

LABELS = {
    "alertname": "ApiDbPoolExhausted",
    "severity": "critical",
    "service": "api-server",
    "job": "api-server",
}
GROUP = '{}/{severity="critical"}:{alertname="ApiDbPoolExhausted"}'
SET_POOL = ConfigSet("config/api-server.env", "DB_POOL_SIZE", "1", "20")
REDEPLOY = ServiceRedeploy("api-server")
REPAIR = (SET_POOL, REDEPLOY)


def alert(*, status="firing", starts_at=START, ends_at=None, tenant="default", **labels):
    """An alert of the shop; keyword arguments are labels, None removes one."""
    merged = {k: v for k, v in (LABELS | labels).items() if v is not None}
    if status == "resolved" and ends_at is None:
        ends_at = starts_at + timedelta(minutes=5)
    return Alert(
        labels=merged,
        status=AlertStatus(status),
        starts_at=starts_at,
        ends_at=ends_at,
        annotations={"summary": "The pool is empty."},
        tenant=tenant,
    )


def notification(*alerts, at=START, group=GROUP, tenant="default", body=b"{}"):
    """What one request said."""
    return Notification(
        body=body,
        received_at=at,
        tenant=tenant,
        peer="127.0.0.1",
        group_key=group,
        receiver="sre-daemon",
        alerts=tuple(alerts),
    )


def incident(state=State.TRIGGERED, **values):
    """An incident of the shop."""
    base = Incident(
        id="01incident0001",
        key="key-1",
        title="ApiDbPoolExhausted on api-server",
        state=state,
        severity=Severity.CRITICAL,
        labels=LABELS,
        created_at=START,
        updated_at=START,
    )
    return replace(base, **values)


def diagnosis(*proposed, supported=True, confidence=0.95, conclusive=True):
    """A diagnosis with one piece of evidence."""
    evidence = Evidence("it is 1", "c3", "DB_POOL_SIZE=1", supported=supported)
    return Diagnosis(
        conclusive=conclusive,
        root_cause="The pool was cut to one connection." if conclusive else "",
        confidence=confidence,
        evidence=(evidence,),
        proposed=proposed,
    )
