"""Reading a notification: poison is refused or set aside, and no neighbour of it is lost."""

import contextlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sre_daemon.domain.sender import Sender
from sre_daemon.errors import PayloadInvalid
from sre_daemon.intake.payload import MAX_ALERTS, MAX_LABELS, MAX_TEXT, parse
from tests.support.clock import START

GOOD = {
    "status": "firing",
    "labels": {"alertname": "A", "severity": "critical"},
    "annotations": {"summary": "s"},
    "startsAt": "2026-03-14T02:00:00.123456789Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus/graph",
    "fingerprint": "b3b4f23d0731fe38",
}


def body(*alerts, **values):
    return json.dumps({"version": "4", "groupKey": "g", "alerts": list(alerts)} | values).encode()


def read(raw):
    return parse(raw, START, Sender("default", "t1"), "10.0.0.1")


def test_a_notification_is_read_with_its_bytes():
    raw = body(GOOD, receiver="web\\.hook", truncatedAlerts=3)
    said = read(raw)
    assert (said.body, said.received_at, said.tenant, said.peer) == (
        raw,
        START,
        "default",
        "10.0.0.1",
    )
    assert (said.group_key, said.receiver, said.truncated) == ("g", "web.hook", 3)
    (alert,) = said.alerts
    assert dict(alert.labels) == GOOD["labels"]
    assert dict(alert.annotations) == {"summary": "s"}
    assert alert.starts_at == START + timedelta(microseconds=123456)
    assert alert.ends_at is None
    assert (alert.generator_url, alert.fingerprint) == (
        "http://prometheus/graph",
        "b3b4f23d0731fe38",
    )


def test_the_end_counts_when_it_is_resolved_only():
    end = "2026-03-14T03:00:00+01:00"
    (alert,) = read(body(GOOD | {"status": "resolved", "endsAt": end})).alerts
    assert alert.ends_at == START
    (alert,) = read(body(GOOD | {"endsAt": end})).alerts
    assert alert.ends_at is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"alert!",
        b"[]",
        b"null",
        b'"alerts"',
        b"{}",
        b'{"alerts": {}}',
        b'{"alerts": "x"}',
        b'{"text": "a custom payload"}',
        b'{"alerts": []',
        b'{"alerts": [NaN]}',
        b'{"alerts": [Infinity]}',
        b'{"alerts": [], "alerts": []}',
        b'{"alerts" : [], "alerts" : []}',
        b'{"a": 1, "a": 2, "alerts": [], "q": "\\\\":"}',
        b'{"alerts": [], "x": "\xff"}',
        b"\xef\xbb\xbf" + b'{"alerts": []}',
        "{}".encode("utf-16"),
        b'{"alerts": ' + b"[" * 100_000,
        b'{"x": ' * 50_000,
    ],
)
def test_what_can_never_be_a_notification_is_refused(raw):
    with pytest.raises(PayloadInvalid) as refused:
        read(raw)
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    "bad",
    [
        None,
        7,
        [],
        {},
        GOOD | {"status": "pending"},
        GOOD | {"status": None},
        GOOD | {"labels": {}},
        GOOD | {"labels": None},
        GOOD | {"labels": [["alertname", "A"]]},
        GOOD | {"labels": {"alertname": 7}},
        GOOD | {"labels": {"alertname": None}},
        GOOD | {"labels": {f"l{n}": "v" for n in range(MAX_LABELS + 1)}},
        GOOD | {"labels": {"alertname": "x" * (MAX_TEXT + 1)}},
        GOOD | {"labels": {"x" * (MAX_TEXT + 1): "A"}},
        GOOD | {"annotations": "text"},
        GOOD | {"annotations": {"summary": ["text"]}},
        GOOD | {"startsAt": "yesterday"},
        GOOD | {"startsAt": 1773453600},
        GOOD | {"startsAt": "9999-12-31T23:59:59-14:00"},
        GOOD | {"status": "resolved", "endsAt": {}},
    ],
)
def test_one_bad_alert_does_not_hold_its_neighbours(bad):
    other = GOOD | {"labels": {"alertname": "B"}}
    said = read(body(GOOD, bad, other))
    assert [alert.name for alert in said.alerts] == ["A", "B"]
    (why,) = said.rejected
    assert why.startswith("alert 1: ")
    assert len(why) < 500


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\0b", "a\ufffdb"),
        ("\ud800", "\ufffd"),
        ("\U0001f525 \u202e", "\U0001f525 \u202e"),
        ('say ":" and \\', 'say ":" and \\'),
        ("<script>", "<script>"),
    ],
)
def test_text_is_kept_in_a_form_that_can_be_stored(text, kept):
    item = GOOD | {"labels": {"alertname": text}, "annotations": {text: text}}
    said = read(body(item, groupKey=text))
    (alert,) = said.alerts
    assert alert.labels["alertname"] == kept
    assert dict(alert.annotations) == {kept: kept}
    assert said.group_key == kept


@pytest.mark.parametrize(
    "number", [10**30, -(10**30), 1e308, 2**63, True, -1, 0, "3", None, [], {"a": 1}]
)
def test_strange_numbers_are_no_truncation(number):
    assert read(body(GOOD, truncatedAlerts=number)).truncated == (1 if number is True else 0)


def test_huge_integers_anywhere_are_read():
    raw = body(GOOD).replace(b'"version"', b'"n": ' + b"9" * 5000 + b', "version"')
    assert len(read(raw).alerts) == 1


@pytest.mark.parametrize(
    "start",
    [
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999999Z",
        "2026-03-14T02:00:00+05:30",
        "2026-03-14T02:00:00",
        "",
        None,
    ],
)
def test_times_at_the_edges_are_read(start):
    said = read(body(GOOD | {"startsAt": start}))
    assert said.rejected == ()
    assert said.alerts[0].starts_at.tzinfo is UTC


def test_unknown_fields_and_later_versions_are_ignored():
    later = GOOD | {"severityScore": 3, "nested": {"a": [1, {"b": 2}]}}
    said = read(body(later, version="5", notification_reason="new alerts added", routeLabels={}))
    assert len(said.alerts) == 1


def test_early_versions_without_fingerprint_and_truncation_are_read():
    old = {key: value for key, value in GOOD.items() if key != "fingerprint"}
    said = parse(json.dumps({"version": "4", "alerts": [old]}).encode(), START, Sender("t"), "p")
    assert (said.alerts[0].fingerprint, said.group_key, said.truncated) == ("", "", 0)


def test_the_fingerprint_that_is_claimed_is_not_the_identity():
    one, other = (read(body(GOOD | {"fingerprint": text})).alerts[0] for text in ("a" * 16, "b"))
    assert one.identity == other.identity


def test_five_thousand_alerts_are_read():
    many = [GOOD | {"labels": {"alertname": "A", "pod": f"p{n}"}} for n in range(5000)]
    assert len(read(body(*many)).alerts) == 5000


def test_more_than_any_group_can_have_are_refused():
    with pytest.raises(PayloadInvalid, match="more than"):
        read(b'{"alerts": [' + b"1," * MAX_ALERTS + b"1]}")


TEXT = st.text(max_size=20) | st.sampled_from(["\0", "\ud800", '":', '" :', "\\", "alertname"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def mutated(part):
    """An alert in which any field may be anything."""
    return st.builds(lambda change: GOOD | change, st.dictionaries(part, VALUES, max_size=3))


@settings(max_examples=300, deadline=None)
@given(st.lists(VALUES | mutated(st.sampled_from(sorted(GOOD))), max_size=5), VALUES)
def test_no_alert_is_lost_whatever_it_is(alerts, more):
    raw = json.dumps({"alerts": alerts, "x": more}).encode()
    try:
        said = read(raw)
    except PayloadInvalid:
        assert b"NaN" in raw or b"Infinity" in raw
        return
    assert len(said.alerts) + len(said.rejected) == len(alerts)
    for alert in said.alerts:
        json.dumps([dict(alert.labels), dict(alert.annotations)]).encode()
        for text in (*alert.labels.items(), *alert.annotations.items()):
            "".join(text).encode("utf-8")


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_bytes_are_read_or_refused(raw):
    with contextlib.suppress(PayloadInvalid):
        read(raw)


@settings(max_examples=300, deadline=None)
@given(VALUES, st.booleans())
def test_both_ways_of_reading_agree(value, spaced):
    separators = (", ", " : ") if spaced else (",", ":")
    raw = json.dumps({"alerts": [GOOD], "x": value}, separators=separators).encode()
    try:
        said = read(raw)
    except PayloadInvalid:
        assert b"NaN" in raw or b"Infinity" in raw
        return
    # A leading blank within an empty object changes nothing but the way.
    other = read(raw[:-1] + b', "y" : {}}')
    assert [alert.identity for alert in said.alerts] == [alert.identity for alert in other.alerts]


def test_the_start_is_where_the_epoch_begins_when_there_is_none():
    assert read(body(GOOD | {"startsAt": ""})).alerts[0].starts_at == datetime(
        1970, 1, 1, tzinfo=UTC
    )
