"""Whatever is done to the audit log, the chain or a signed head shows it."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sre_daemon.domain.audit import (
    AUDITED,
    BEGINNING,
    AuditEntry,
    AuditKind,
    Chain,
    Head,
    audited,
    canonical,
    link,
)
from sre_daemon.domain.event import Kind, TimelineEvent
from tests.support.clock import START

KEY = b"a key"
DATA = st.dictionaries(
    st.text(max_size=5),
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    max_size=4,
)
ENTRIES = st.builds(
    AuditEntry,
    at=st.datetimes(timezones=st.just(UTC)),
    kind=st.sampled_from(AuditKind),
    who=st.text(max_size=9),
    summary=st.text(max_size=9),
    subject=st.text(max_size=9),
    data=DATA,
)
CHANGES = {
    "seq": lambda line: replace(line, seq=line.seq + 1),
    "previous": lambda line: replace(line, previous="f" * 64),
    "hash": lambda line: replace(line, hash="f" * 64),
    **{
        name: lambda line, name=name: replace(
            line, entry=replace(line.entry, **{name: f"{getattr(line.entry, name)}."})
        )
        for name in ("kind", "who", "summary", "subject")
    },
    "at": lambda line: replace(
        line, entry=replace(line.entry, at=line.entry.at + timedelta(microseconds=1))
    ),
    "data": lambda line: replace(
        line, entry=replace(line.entry, data={**line.entry.data, "another": 1})
    ),
}


def log_of(entries):
    lines, previous = [], BEGINNING
    for seq, entry in enumerate(entries, 1):
        lines.append(link(seq, entry, previous))
        previous = lines[-1].hash
    return lines


def problems(lines, heads=None, after=None):
    chain = Chain(heads, after)
    chain.walk(lines)
    return chain.end()


LOGS = st.lists(ENTRIES, min_size=2, max_size=8).map(log_of)


@given(LOGS)
def test_an_untouched_log_has_nothing_wrong(lines):
    assert problems(lines, {line.seq: line.hash for line in lines}) == []


@given(LOGS, st.data())
def test_any_changed_field_is_found(lines, data):
    place = data.draw(st.integers(0, len(lines) - 1))
    field = data.draw(st.sampled_from(sorted(CHANGES)))
    try:
        lines[place] = CHANGES[field](lines[place])
    except OverflowError:
        return
    assert problems(lines)


@given(LOGS, st.data())
def test_any_line_removed_before_the_end_is_found(lines, data):
    del lines[data.draw(st.integers(0, len(lines) - 2))]
    assert problems(lines)


@given(LOGS, st.data())
def test_any_two_lines_changing_places_are_found(lines, data):
    one, other = data.draw(st.permutations(range(len(lines))))[:2]
    lines[one], lines[other] = lines[other], lines[one]
    assert problems(lines)


@given(LOGS, ENTRIES, st.data())
def test_a_line_put_in_between_is_found(lines, entry, data):
    place = data.draw(st.integers(0, len(lines) - 1))
    previous = lines[place - 1].hash if place else BEGINNING
    lines.insert(place, link(place + 1, entry, previous))
    assert problems(lines)


@given(LOGS, st.data())
def test_a_missing_end_is_found_with_the_head_and_not_without(lines, data):
    head = {lines[-1].seq: lines[-1].hash}
    kept = lines[: data.draw(st.integers(0, len(lines) - 1))]
    assert "the end is missing" in problems(kept, head)[-1]
    # Nothing within the log itself can show this: that is what the heads are for.
    assert problems(kept) == []


@given(LOGS, ENTRIES)
def test_a_log_written_anew_is_found_with_the_head_and_not_without(lines, entry):
    forged = log_of([replace(line.entry, who=f"not {line.entry.who}") for line in lines])
    assert problems(forged) == []
    assert problems(forged, {lines[-1].seq: lines[-1].hash})


@given(LOGS, st.data())
def test_checking_goes_on_after_a_head(lines, data):
    place = data.draw(st.integers(1, len(lines) - 1))
    head = Head(lines[place - 1].seq, lines[place - 1].hash, START)
    assert problems(lines[place:], after=head) == []
    assert problems(lines[place + 1 :], after=head) or place + 1 == len(lines)


@given(ENTRIES)
def test_the_hash_can_be_computed_from_the_exported_line_alone(entry):
    line = link(7, entry, "a" * 64)
    exported = json.loads(json.dumps(line.export()))
    said = exported.pop("hash")
    text = json.dumps(exported, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == said


@given(ENTRIES, st.integers(-12, 12))
def test_the_time_zone_in_which_a_time_is_written_does_not_matter(entry, hours):
    try:
        moved = entry.at.astimezone(timezone(timedelta(hours=hours)))
        assert link(1, replace(entry, at=moved), BEGINNING).hash == link(1, entry, BEGINNING).hash
    except OverflowError:
        return


@given(DATA)
def test_the_canonical_form_is_its_own_canonical_form(data):
    assert canonical(json.loads(canonical(data))) == canonical(data)


def test_keys_that_are_no_text_are_sorted_as_text():
    assert canonical({10: 1, 9: 2}) == canonical({"9": 2, "10": 1})


def test_only_who_has_the_key_can_sign_a_head():
    head = Head(3, "a" * 64, START).signed(KEY)
    assert head.genuine(KEY)
    assert not head.genuine(b"another key")
    for forged in (
        replace(head, seq=4),
        replace(head, hash="b" * 64),
        replace(head, at=START + timedelta(seconds=1)),
        replace(head, mac=""),
        replace(head, mac="\udc80"),
    ):
        assert not forged.genuine(KEY)


@pytest.mark.parametrize("kind", Kind)
def test_facts_that_matter_are_worth_a_line(kind):
    event = TimelineEvent("i1", START, kind, "a fact", {"who": "ada", "n": 1})
    entry = audited(event)
    if kind in AUDITED:
        assert entry == AuditEntry(START, AUDITED[kind], "ada", "a fact", "i1", event.data)
    else:
        assert entry is None


def test_without_a_person_it_was_the_daemon():
    assert audited(TimelineEvent("i1", START, Kind.EFFECT, "a fact", {"who": 3})).who == "daemon"
