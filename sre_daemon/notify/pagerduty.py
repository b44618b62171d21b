"""A channel to PagerDuty: the Events API v2, and notes over the REST API where there is a key for it.

The incident's id is the deduplication key. While the daemon works its alert is acknowledged; when a
person is needed a second alert is triggered, because PagerDuty notifies nobody about an alert that
is acknowledged already. Both are resolved at the end.
"""

import json
from collections.abc import Mapping
from typing import Any

import httpx

from sre_daemon.domain.alert import Severity
from sre_daemon.domain.delivery import News
from sre_daemon.domain.event import Kind
from sre_daemon.domain.lifecycle import State
from sre_daemon.errors import NotifyError, NotifyRefused
from sre_daemon.notify.http import posted
from sre_daemon.notify.message import Message
from sre_daemon.notify.words import plain, subject
from sre_daemon.text import line

WORKING = frozenset(
    {State.INVESTIGATING, State.DIAGNOSED, State.REMEDIATING, State.VERIFYING, State.SUPPRESSED}
)
PERSON = frozenset({State.AWAITING_APPROVAL, State.ESCALATED})
SEVERITIES = {Severity.CRITICAL: "critical", Severity.WARNING: "warning", Severity.INFO: "info"}
SUMMARY = 1024
NOTE = 25_000
JSON = {"Content-Type": "application/json"}


class PagerDutyChannel:
    """One service of PagerDuty."""

    def __init__(
        self,
        name: str,
        *,
        url: str,
        routing_key: str,
        api_url: str = "",
        api_key: str = "",
        from_email: str = "",
    ) -> None:
        self.name = name
        self._events = f"{url.rstrip('/')}/v2/enqueue"
        self._routing_key = routing_key
        self._api = api_url.rstrip("/") if api_key else ""
        self._rest = {
            **JSON,
            "Authorization": f"Token token={api_key}",
            "Accept": "application/vnd.pagerduty+json;version=2",
            **({"From": from_email} if from_email else {}),
        }
        self._http = httpx.AsyncClient(timeout=10, follow_redirects=False, trust_env=False)

    def keeps_up(self, news: News) -> bool:
        """See Channel: that the daemon is at work, and what it found."""
        if news.kind is Kind.STATE:
            return State(news.state) in WORKING
        return news.kind is Kind.DIAGNOSIS

    async def send(self, message: Message) -> None:
        """See Channel."""
        if message.about == Kind.DIAGNOSIS:
            await self._note(message)
        elif message.state in WORKING:
            await self._event("acknowledge", message.incident_id, message)
        elif message.state == State.RESOLVED:
            await self._note(message)
            await self._event("resolve", message.incident_id, message)
            await self._event("resolve", _person(message), message)
        elif message.state in PERSON and message.again:
            await self._event("trigger", _person(message), message)
        else:
            await self._event("trigger", message.incident_id or message.key, message)

    async def _event(self, action: str, key: str, message: Message) -> None:
        event: dict[str, object] = {
            "routing_key": self._routing_key,
            "event_action": action,
            "dedup_key": key,
            "client": "sre-daemon",
            "payload": {
                "summary": line(subject(message), SUMMARY),
                "source": message.labels.get("instance") or "sre-daemon",
                "severity": _severity(message),
                "timestamp": message.at,
                "component": message.labels.get("service", ""),
                "class": message.labels.get("alertname", ""),
                "custom_details": {"incident": message.incident_id, "details": plain(message)},
            },
        }
        if message.url:
            event |= {
                "client_url": message.url,
                "links": [{"href": message.url, "text": "The incident in sre-daemon"}],
            }
        response = await posted(self._http, self._events, json.dumps(event).encode(), JSON)
        if response.status_code in {400, 413}:
            raise NotifyRefused(f"PagerDuty refuses the event: {response.status_code}")
        if not response.is_success:
            raise NotifyError(f"PagerDuty answered {response.status_code}", "check the routing key")

    async def _note(self, message: Message) -> None:
        """A note at PagerDuty's incident; without a key for the REST API the alert's log has it."""
        if not self._api:
            if message.about == Kind.DIAGNOSIS:
                await self._event("trigger", message.incident_id, message)
            return
        content = plain(message).strip()[:NOTE]
        query = {"incident_key": message.incident_id, "statuses[]": ["triggered", "acknowledged"]}
        for incident in await self._listed("incidents", query):
            notes = f"incidents/{incident['id']}/notes"
            if content in [note.get("content") for note in await self._listed(notes, {})]:
                continue  # the daemon died after it had written it
            body = json.dumps({"note": {"content": content}}).encode()
            _checked(await posted(self._http, f"{self._api}/{notes}", body, self._rest))

    async def _listed(self, path: str, query: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """What is in a list of the REST API; the name of the list is the end of the path."""
        try:
            response = await self._http.get(
                f"{self._api}/{path}", params=dict(query), headers=self._rest
            )
            found: Mapping[str, Any] = _checked(response).json()
            return list(found[path.rpartition("/")[2]])
        except httpx.HTTPError as failure:
            raise NotifyError(f"no answer: {type(failure).__name__}") from failure
        except (ValueError, KeyError, TypeError) as failure:
            raise NotifyError(f"PagerDuty's list of {path} cannot be read") from failure

    async def close(self) -> None:
        """See Channel."""
        await self._http.aclose()


def _checked(response: httpx.Response) -> httpx.Response:
    if not response.is_success:
        raise NotifyError(f"PagerDuty's REST API answered {response.status_code}", "check the key")
    return response


def _person(message: Message) -> str:
    return f"{message.incident_id}/person"


def _severity(message: Message) -> str:
    if message.quiet:
        return "info"
    return SEVERITIES.get(Severity(message.severity), "error")
