"""Notifications as Alertmanager writes them, and the model that a bare receiver validates them with."""

import json
from datetime import datetime

from pydantic import BaseModel, TypeAdapter

# Stands in a body wherever one notification differs from the next; as wide as its replacement.
MARK = b"@@@@@@@@@@"


class WireAlert(BaseModel):
    """One alert of a notification."""

    status: str
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    startsAt: datetime  # noqa: N815 - the name on the wire
    endsAt: datetime | None = None  # noqa: N815
    generatorURL: str = ""  # noqa: N815
    fingerprint: str = ""


class WireNotification(BaseModel):
    """Alertmanager's webhook, version 4."""

    version: str
    groupKey: str  # noqa: N815
    truncatedAlerts: int = 0  # noqa: N815
    status: str
    receiver: str
    groupLabels: dict[str, str]  # noqa: N815
    commonLabels: dict[str, str]  # noqa: N815
    commonAnnotations: dict[str, str]  # noqa: N815
    externalURL: str  # noqa: N815
    alerts: list[WireAlert]


NOTIFICATION = TypeAdapter(WireNotification)


def template(alerts: int) -> bytes:
    """A group of so many alerts, of the size that kube-prometheus' alerts really have.

    Every copy in which MARK is replaced is another group with other alerts: a storm.
    """
    mark = MARK.decode()
    common = {
        "alertname": "KubePodCrashLooping",
        "cluster": "eu-central-1-production",
        "container": "checkout",
        "endpoint": "http",
        "job": "kube-state-metrics",
        "namespace": "shop",
        "prometheus": "monitoring/k8s",
        "service": "checkout",
        "severity": "warning",
        "uid": "0d3e3a2f-7f4e-4c39-9a2c-0f3a",
    }
    summary = "Pod is crash looping."
    body = {
        "receiver": "sre\\-daemon",
        "status": "firing",
        "alerts": [
            {
                "status": "firing",
                "labels": {**common, "pod": f"checkout-{mark}-{number:03}"},
                "annotations": {
                    "description": f"Pod shop/checkout-{mark}-{number:03} (checkout) is in waiting "
                    'state (reason: "CrashLoopBackOff").',
                    "runbook_url": "https://runbooks.example/runbooks/kubernetes/kubepodcrashlooping",
                    "summary": summary,
                },
                "startsAt": "2026-03-14T02:00:00.123456789Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://prometheus.example:9090/graph?g0.expr=max_over_time"
                "%28kube_pod_container_status_waiting_reason%7Breason%3D%22CrashLoopBackOff%22%7D"
                "%5B5m%5D%29+%3E%3D+1&g0.tab=1",
                "fingerprint": f"{number:06x}{mark}",
            }
            for number in range(alerts)
        ],
        "groupLabels": {"alertname": "KubePodCrashLooping", "deployment": mark},
        "commonLabels": common,
        "commonAnnotations": {"summary": summary},
        "externalURL": "http://alertmanager.example:9093",
        "version": "4",
        "groupKey": f'{{}}/{{severity="warning"}}:{{alertname="KubePodCrashLooping", deployment="{mark}"}}',
        "truncatedAlerts": 0,
    }
    return json.dumps(body, separators=(",", ":")).encode()


def numbered(body: bytes, number: int) -> bytes:
    """The copy with this number."""
    return body.replace(MARK, b"%010d" % number)
