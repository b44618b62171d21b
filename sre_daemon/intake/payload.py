"""Reading an Alertmanager notification (version 4), strictly and without losing an alert.

One unusable alert never drops its neighbours, and a body that cannot be read at all is the only
reason for 400. Unknown fields and newer minor formats are accepted; the bytes are kept anyway.

What Alertmanager really writes is read quickly; anything that differs in the least from it is read
again, with care. Both ways give the same alerts.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from sre_daemon.domain.alert import Alert, AlertStatus
from sre_daemon.domain.notification import Notification
from sre_daemon.domain.sender import Sender
from sre_daemon.errors import PayloadInvalid

MAX_ALERTS = 50_000
MAX_LABELS = 200
MAX_TEXT = 16_384
HINT = "this endpoint takes Alertmanager's webhook version 4, without a custom payload"
STATUSES = {status.value: status for status in AlertStatus}
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def parse(body: bytes, received_at: datetime, sender: Sender, peer: str) -> Notification:
    """Read one body.

    Raises:
        PayloadInvalid: not a JSON object with a list of alerts; sending it again cannot help.
    """
    data = _whole(body)
    alerts = None if data is None else _plain(data.get("alerts"), sender.tenant)
    rejected: list[str] = []
    if data is None or alerts is None:
        data = _careful(body)
        alerts = _each(data.get("alerts"), sender.tenant, rejected)
    truncated = data.get("truncatedAlerts")
    return Notification(
        body=body,
        received_at=received_at,
        tenant=sender.tenant,
        token_id=sender.token_id,
        peer=peer,
        group_key=_text(data.get("groupKey"), 65_536),
        # Alertmanager quotes the receiver's name as for a regular expression.
        receiver=_text(data.get("receiver"), MAX_TEXT).replace("\\", ""),
        alerts=tuple(alerts),
        rejected=tuple(rejected),
        truncated=truncated if isinstance(truncated, int) and 0 < truncated < 1 << 31 else 0,
    )


# --- the quick way

TOP = frozenset(
    [
        "version",
        "groupKey",
        "truncatedAlerts",
        "status",
        "receiver",
        "groupLabels",
        "commonLabels",
        "commonAnnotations",
        "externalURL",
        "alerts",
        "notification_reason",
        "routeLabels",
    ]
)
FIELDS = frozenset(
    {"status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"}
)
ESCAPED = (b"\\u003c", b"\\u003e", b"\\u0026")


def _whole(body: bytes) -> dict[str, Any] | None:
    """The object, when it is of the known form and no key of it is given twice; else None.

    The fast parser keeps the last of two equal keys without a word. Then what it writes back is
    shorter than what it read: every value is text, and text never grows.
    """
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(data, dict) or not data.keys() <= TOP:
        return None
    for name, value in data.items():
        kind = type(value)
        if kind is dict:
            if not set(map(type, value.values())) <= {str}:
                return None
        elif kind is not str and name != "alerts" and (kind is not int or value < 0):
            return None
    lost = len(body) - len(orjson.dumps(data))
    # Alertmanager escapes <, > and &, which JSON does not ask for: five bytes more for each.
    if lost and (lost != 5 * sum(map(body.count, ESCAPED)) or b"\\\\u00" in body):
        return None
    return data


def _plain(items: object, tenant: str) -> list[Alert] | None:
    """Its alerts; None when one of them is not of the known form."""
    if type(items) is not list or len(items) > MAX_ALERTS:
        return None
    alerts = []
    try:
        for item in items:
            if not item.keys() <= FIELDS:
                return None
            labels, annotations = item["labels"], item["annotations"]
            status, starts, ends = STATUSES[item["status"]], item["startsAt"], item["endsAt"]
            url, fingerprint = item.get("generatorURL", ""), item.get("fingerprint", "")
            # Only text can be joined; each piece is short when the whole is.
            pieces = (*labels, *labels.values(), *annotations, *annotations.values())
            text = "".join((starts, ends, url, fingerprint, *pieces))
            if len(text) > MAX_TEXT or len(pieces) > MAX_LABELS or not labels or "\0" in text:
                return None
            starts_at = _time(starts, "startsAt") or NEVER
            ends_at = _time(ends, "endsAt") if status is AlertStatus.RESOLVED else None
            alerts.append(
                Alert(
                    labels, status, starts_at, ends_at, annotations, url, fingerprint[:64], tenant
                )
            )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return alerts


# --- with care


def _careful(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(
            body.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_int=_integer,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError:
        raise PayloadInvalid("the body is not UTF-8", HINT) from None
    except (ValueError, RecursionError) as failure:
        raise PayloadInvalid(f"the body is not JSON: {failure}", HINT) from None
    if not isinstance(data, dict):
        raise PayloadInvalid("the body is not a JSON object", HINT)
    return data


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _integer(text: str) -> int | float:
    """Huge integers are no numbers that anybody meant; a float loses nothing that is used."""
    return int(text) if len(text) < 20 else float(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A key that is given twice would be read differently by the next program."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice in one object")
    return found


def _each(items: object, tenant: str, rejected: list[str]) -> list[Alert]:
    """Every alert that can be used; a sentence in `rejected` for every other one."""
    if not isinstance(items, list):
        raise PayloadInvalid("the field 'alerts' is not a list", HINT)
    if len(items) > MAX_ALERTS:
        raise PayloadInvalid(f"more than {MAX_ALERTS} alerts in one notification", "set max_alerts")
    good: list[Alert] = []
    for number, item in enumerate(items):
        try:
            good.append(_alert(item, tenant))
        except ValueError as failure:
            rejected.append(f"alert {number}: {failure}")
    return good


def _alert(item: object, tenant: str) -> Alert:
    if not isinstance(item, Mapping):
        raise ValueError("is not an object")
    status = item.get("status")
    if status not in ("firing", "resolved"):  # it may be a list, which no set can look up
        raise ValueError(f"its status is {status!r}, neither firing nor resolved"[:200])
    ends_at = _time(item.get("endsAt"), "endsAt")
    return Alert(
        labels=_labels(item.get("labels"), "labels"),
        status=AlertStatus(status),
        starts_at=_time(item.get("startsAt"), "startsAt") or NEVER,
        # While firing this is the zero time, or when Prometheus will have forgotten the alert.
        ends_at=ends_at if status == "resolved" else None,
        annotations=_labels(item.get("annotations") or {}, "annotations"),
        generator_url=_text(item.get("generatorURL"), MAX_TEXT),
        fingerprint=_text(item.get("fingerprint"), 64),
        tenant=tenant,
    )


def _labels(value: object, name: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"its {name} are not an object")
    if len(value) > MAX_LABELS:
        raise ValueError(f"it has more than {MAX_LABELS} {name}")
    if name == "labels" and not value:
        raise ValueError("it has no labels, so it cannot be told from any other")
    if not set(map(type, value.values())) <= {str}:
        raise ValueError(f"its {name} hold something that is not text")
    if max(map(len, (*value, *value.values())), default=0) > MAX_TEXT:
        raise ValueError(f"its {name} hold a text of more than {MAX_TEXT} characters")
    return {_storable(key): _storable(text) for key, text in value.items()}


def _storable(text: str) -> str:
    """Lone surrogates and NUL cannot be kept in every database; the raw body has them."""
    if text.isascii() and "\0" not in text:
        return text
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\0", "\ufffd")


def _text(value: object, limit: int) -> str:
    return _storable(value[:limit]) if isinstance(value, str) else ""


def _time(value: object, name: str) -> datetime | None:
    """RFC 3339 with nanoseconds; the zero time and nothing at all are None."""
    if value is None or value == "" or (isinstance(value, str) and value.startswith("0001-01-01")):
        return None
    if not isinstance(value, str):
        raise ValueError(f"its {name} is not a time")
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is UTC:
            return at
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"its {name} is not a time: {value[:40]!r}") from None
