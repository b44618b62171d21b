"""Reading an Alertmanager notification (version 4), strictly and without losing an alert.

One unusable alert never drops its neighbours, and a body that cannot be read at all is the only
reason for 400. Unknown fields and newer minor formats are accepted; the bytes are kept anyway.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from sre_daemon.domain.alert import Alert, AlertStatus
from sre_daemon.domain.notification import Notification
from sre_daemon.errors import PayloadInvalid

MAX_ALERTS = 50_000
MAX_LABELS = 200
MAX_TEXT = 16_384
HINT = "this endpoint takes Alertmanager's webhook version 4, without a custom payload"


def parse(body: bytes, received_at: datetime, tenant: str, peer: str) -> Notification:
    """Read one body.

    Raises:
        PayloadInvalid: not a JSON object with a list of alerts; sending it again cannot help.
    """
    data, plain = _json(body)
    alerts = data.get("alerts")
    if not isinstance(alerts, list):
        raise PayloadInvalid("the field 'alerts' is not a list", HINT)
    if len(alerts) > MAX_ALERTS:
        raise PayloadInvalid(f"more than {MAX_ALERTS} alerts in one notification", "set max_alerts")
    good: list[Alert] = []
    rejected: list[str] = []
    for number, item in enumerate(alerts):
        try:
            good.append(_alert(item, tenant, plain=plain))
        except ValueError as failure:
            rejected.append(f"alert {number}: {failure}")
    truncated = data.get("truncatedAlerts")
    return Notification(
        body=body,
        received_at=received_at,
        tenant=tenant,
        peer=peer,
        group_key=_text(data.get("groupKey"), 65_536),
        # Alertmanager quotes the receiver's name as for a regular expression.
        receiver=_text(data.get("receiver"), MAX_TEXT).replace("\\", ""),
        alerts=tuple(good),
        rejected=tuple(rejected),
        truncated=truncated if isinstance(truncated, int) and 0 < truncated < 1 << 31 else 0,
    )


def _json(body: bytes) -> tuple[dict[str, Any], bool]:
    """The object, and whether all of its texts can be stored as they are."""
    data = _fast(body)
    if data is not None:
        return data, b"\\u0000" not in body
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
    return data, False


SPACED_COLON = re.compile(rb'"[ \t\r\n]+:')


def _fast(body: bytes) -> dict[str, Any] | None:
    """The object, when the fast parser reads it and no key can be given twice; else None.

    It keeps the last of two equal keys without a word. Alertmanager writes no space before a
    colon; then `":` ends every key and nothing else, as long as no text holds it.
    """
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(data, dict) or b'\\":' in body or SPACED_COLON.search(body):
        return None
    return data if body.count(b'":') == _keys(data) else None


def _keys(node: dict[str, Any] | list[Any]) -> int:
    """How many keys all objects in it have."""
    total, children = (len(node), node.values()) if isinstance(node, dict) else (0, node)
    for child in children:
        if type(child) is dict or type(child) is list:
            total += _keys(child)
    return total


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


def _alert(item: object, tenant: str, *, plain: bool) -> Alert:
    if not isinstance(item, Mapping):
        raise ValueError("is not an object")
    status = item.get("status")
    if status not in ("firing", "resolved"):  # it may be a list, which no set can look up
        raise ValueError(f"its status is {status!r}, neither firing nor resolved"[:200])
    ends_at = _time(item.get("endsAt"), "endsAt")
    return Alert(
        labels=_labels(item.get("labels"), "labels", plain=plain),
        status=AlertStatus(status),
        starts_at=_time(item.get("startsAt"), "startsAt") or datetime(1970, 1, 1, tzinfo=UTC),
        # While firing this is the zero time, or when Prometheus will have forgotten the alert.
        ends_at=ends_at if status == "resolved" else None,
        annotations=_labels(item.get("annotations") or {}, "annotations", plain=plain),
        generator_url=_text(item.get("generatorURL"), MAX_TEXT),
        fingerprint=_text(item.get("fingerprint"), 64),
        tenant=tenant,
    )


def _labels(value: object, name: str, *, plain: bool) -> dict[str, str]:
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
    if plain:
        return value
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
