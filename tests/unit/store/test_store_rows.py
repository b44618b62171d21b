"""How values are written down: laws of the storage form."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from sre_daemon.store.rows import (
    clean,
    dump,
    maybe_moment,
    maybe_number,
    moment,
    number,
    undump,
)

SURROGATES = st.characters(codec=None)
TEXT = st.text(SURROGATES)
MOMENTS = st.datetimes(timezones=st.timezones() | st.just(UTC))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
SQLITE_INTEGER = 1 << 63


@settings(max_examples=200)
@given(st.datetimes(timezones=st.just(UTC)))
def test_times_are_kept_to_the_microsecond(at):
    assert moment(number(at)) == at
    assert moment(number(at)).tzinfo is UTC
    assert -SQLITE_INTEGER <= number(at) < SQLITE_INTEGER


@settings(max_examples=200)
@given(MOMENTS, MOMENTS)
def test_numbers_order_as_their_times_in_any_zone(one, two):
    # Python compares times of one zone by the clock on the wall; instants are what is meant.
    def instant(at):
        return at.replace(tzinfo=None) - (at.utcoffset() or timedelta())

    try:
        order = instant(one) < instant(two)
    except OverflowError:
        return
    assert (number(one) < number(two)) == order


def test_first_and_last_moments_are_kept():
    for at in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        assert moment(number(at)) == at


def test_absent_time_stays_absent_and_1970_does_not():
    assert maybe_number(None) is None
    assert maybe_moment(None) is None
    assert maybe_number(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert maybe_moment(0) == datetime(1970, 1, 1, tzinfo=UTC)


@settings(max_examples=300)
@given(TEXT)
def test_clean_text_can_be_stored_and_stays_clean(text):
    cleaned = clean(text)
    assert "\0" not in cleaned
    cleaned.encode()
    assert clean(cleaned) == cleaned


@settings(max_examples=300)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_good_text_is_not_changed(text):
    assert clean(text) == text


def test_each_bad_character_becomes_one_mark():
    assert clean("a\ud800b\0c\udc00") == "a\ufffdb\ufffdc\ufffd"


def test_two_halves_of_a_character_become_whole():
    assert clean("\ud83d\udd25") == "\U0001f525"


@settings(max_examples=200)
@given(JSON)
def test_json_is_kept_whatever_is_in_it(value):
    written = dump(value)
    assert b"\0" not in written.encode("utf-8")
    assert undump(written) == joined(value)


def joined(value):
    """The same with surrogate pairs made whole, which JSON cannot tell from the characters."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    if isinstance(value, list):
        return [joined(item) for item in value]
    if isinstance(value, dict):
        return {joined(key): joined(item) for key, item in value.items()}
    return value


@given(st.dictionaries(st.text(), st.text(), min_size=2, max_size=4))
def test_equal_values_are_written_alike(labels):
    assert dump(labels) == dump(dict(reversed(labels.items())))
