"""Time intervals: what they may say, and when they are active, against an obvious reading over a year."""

from datetime import UTC, datetime, timedelta, timezone
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sre_daemon.policy.intervals import Interval, NamedIntervals, active
from tests.support import calendar
from tests.support.calendar import CLOCKS, utc

MINUTE = timedelta(minutes=1)


def interval(**fields):
    return Interval.model_validate(fields)


def times(start, end):
    return {"start_time": start, "end_time": end}


NIGHT = [times("18:00", "24:00"), times("00:00", "08:00")]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"location": "Europe/Berlin"},
        {"times": []},
        {"weekdays": []},
        {"months": ()},
        {"times": "18:00"},
        {"times": [times("24:00", "24:00")]},
        {"times": [times("08:00", "08:00")]},
        {"times": [times("22:00", "06:00")]},
        {"times": [times("8:00", "09:00")]},
        {"times": [times("08:00", "25:00")]},
        {"times": [times("08:00", "24:01")]},
        {"times": [times("08:60", "09:00")]},
        {"times": [times("08:00\n", "09:00")]},
        {"times": [times("0٨:00", "09:00")]},
        {"times": [{"start_time": "08:00"}]},
        {"times": [{**times("08:00", "09:00"), "zone": "UTC"}]},
        {"weekdays": ["mon"]},
        {"weekdays": "monday"},
        {"weekdays": ["1"]},
        {"weekdays": ["monday:"]},
        {"weekdays": [":friday"]},
        {"weekdays": ["monday : friday"]},
        {"weekdays": ["monday:friday:sunday"]},
        {"weekdays": ["saturday:sunday"]},
        {"weekdays": [True]},
        {"days_of_month": [0]},
        {"days_of_month": [32]},
        {"days_of_month": ["-32"]},
        {"days_of_month": ["5:1"]},
        {"days_of_month": ["-1:-3"]},
        {"days_of_month": ["-3:5"]},
        {"days_of_month": ["28:-3"]},
        {"days_of_month": ["15:-14"]},
        {"days_of_month": ["1.5"]},
        {"months": ["13"]},
        {"months": ["0"]},
        {"months": ["jan"]},
        {"months": ["may:march"]},
        {"years": ["26"]},
        {"years": ["2027:2026"]},
        {"years": ["2026-2027"]},
        {"years": ["2026"], "location": "Berlin"},
        {"years": ["2026"], "location": "Local"},
        {"years": ["2026"], "location": ""},
        {"years": ["2026"], "location": "../../etc/passwd"},
        {"years": ["2026"], "zone": "UTC"},
    ],
)
def test_what_is_no_interval_is_refused(fields):
    with pytest.raises(ValidationError):
        interval(**fields)


def test_a_range_over_midnight_says_how_to_write_it():
    with pytest.raises(ValidationError, match="22:00 to 24:00, and 00:00 to 06:00"):
        interval(times=[times("22:00", "06:00")])


def test_a_range_begins_with_its_first_minute_and_ends_before_its_last():
    office = interval(times=[times("08:00", "17:30")])
    inside = {
        text: office.contains(utc(2026, 3, 14, *map(int, text.split(":"))))
        for text in ("07:59", "08:00", "17:29", "17:30")
    }
    assert inside == {"07:59": False, "08:00": True, "17:29": True, "17:30": False}
    assert office.contains(utc(2026, 3, 14, 17, 29, 59))


def test_a_night_is_two_ranges_that_meet_at_midnight():
    night = interval(times=NIGHT)
    at = utc(2026, 3, 14, 18)
    assert all(night.contains(at + n * MINUTE) for n in range(14 * 60))
    assert not night.contains(at - MINUTE)
    assert not night.contains(at + timedelta(hours=14))


def test_a_night_of_a_weekday_is_its_early_morning_and_its_evening():
    friday = interval(weekdays=["friday"], times=NIGHT)
    active_at = {
        (day, hour)
        for day in (12, 13, 14)
        for hour in (2, 12, 22)
        if friday.contains(utc(2026, 3, day, hour))
    }
    assert active_at == {(13, 2), (13, 22)}


@pytest.mark.parametrize(
    ("entry", "month", "inside"),
    [
        ("-1", 2, [28]),
        ("-1", 4, [30]),
        ("-31", 2, []),
        ("-31", 3, [1]),
        ("-31:-30", 4, [1]),
        ("31", 2, []),
        ("29:31", 2, []),
        ("27:31", 2, [27, 28]),
        ("14:-14", 2, [14, 15]),
        ("1:-27", 2, [1, 2]),
    ],
)
def test_days_are_cut_to_the_month(entry, month, inside):
    some = interval(days_of_month=[entry])
    length = calendar.LENGTHS[2026][month - 1]
    assert [d for d in range(1, length + 1) if some.contains(utc(2026, month, d))] == inside


def test_an_hour_that_is_skipped_is_never_and_one_that_is_repeated_is_twice():
    two = interval(times=[times("02:00", "03:00")], location="Europe/Berlin")

    def minutes_of(day):
        begin = utc(2026, *day) - timedelta(hours=3)
        return sum(two.contains(begin + n * MINUTE) for n in range(26 * 60))

    assert minutes_of((3, 28)) == 60
    assert minutes_of((3, 29)) == 0
    assert minutes_of((10, 24)) == 60
    assert minutes_of((10, 25)) == 120


def test_the_zone_of_the_moment_does_not_matter():
    office = interval(times=[times("08:00", "09:00")], location="Asia/Kolkata")
    at = utc(2026, 3, 14, 3)
    for hours in (-11, 0, 14):
        assert office.contains(at.astimezone(timezone(timedelta(hours=hours))))


def test_the_ends_of_time_are_in_no_interval():
    east, west = (interval(years=["1000:9999"], location=z) for z in ("Asia/Tokyo", "US/Pacific"))
    assert not east.contains(datetime.max.replace(tzinfo=UTC))
    assert not west.contains(datetime.min.replace(tzinfo=UTC))


def test_one_of_the_named_intervals_is_enough():
    known = {
        name: NamedIntervals(name=name, time_intervals=(interval(weekdays=[day]),))
        for name, day in (("a", "saturday"), ("b", "sunday"))
    }
    saturday, monday = utc(2026, 3, 14), utc(2026, 3, 16)
    assert active(["a"], known, saturday)
    assert active(["b", "a"], known, saturday)
    assert not active(["b"], known, saturday)
    assert not active(["a", "b"], known, monday)
    assert active([], known, monday)
    assert not active(["gone"], known, saturday)


WORK = [
    {"weekdays": ["monday:friday"], "times": [times("09:00", "17:00")]},
    {"times": NIGHT},
    {"weekdays": ["saturday", "sunday"]},
    {"weekdays": ["sunday:monday", "friday"], "times": [times("00:00", "00:01")]},
    {"days_of_month": ["1:7", "-3:-1"], "times": [times("12:00", "24:00")]},
    {"days_of_month": ["29:31", "-31"], "weekdays": ["tuesday:thursday"]},
    {"months": ["november:december", "1", "3:4"], "days_of_month": [15]},
    {"months": [3, 10], "times": [times("01:30", "03:30")]},
    {"years": ["2026"], "months": ["december"], "times": [times("23:00", "24:00")]},
    {"years": ["2027:2030"]},
]


@cache
def moments(zone):
    """Every 29th minute of a year, and each minute around the changes of the clock and the year."""
    begin = utc(2025, 12, 31, 12)
    year = {begin + n * 29 * MINUTE for n in range(366 * 24 * 60 // 29)}
    turns = [*[since for since, _ in CLOCKS[zone]][1:], utc(2026, 1, 1), utc(2026, 12, 31, 12)]
    close = {turn + n * MINUTE for turn in turns for n in range(-240, 240)}
    return sorted(year | close)


@pytest.mark.parametrize("zone", CLOCKS)
def test_a_year_of_every_zone_is_read_as_a_calendar_reads_it(zone):
    for fields in WORK:
        written = {**fields, "location": zone}
        ours = interval(**written)
        wrong = [
            at for at in moments(zone) if ours.contains(at) is not calendar.contains(written, at)
        ]
        assert wrong == [], (written, wrong[:3])


DAYS = st.integers(1, 31)
CLOCK = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))


def spans(names):
    pairs = st.tuples(st.integers(0, len(names) - 1), st.integers(0, len(names) - 1)).map(sorted)
    return st.lists(
        pairs.map(lambda p: f"{names[p[0]]}:{names[p[1]]}") | st.sampled_from(names), min_size=1
    )


INTERVALS = st.fixed_dictionaries(
    {"location": st.sampled_from(list(CLOCKS))},
    optional={
        "times": st.lists(
            st.tuples(CLOCK, CLOCK | st.just("24:00"))
            .filter(lambda pair: pair[0] < pair[1])
            .map(lambda pair: times(*pair)),
            min_size=1,
        ),
        "weekdays": spans(calendar.FROM_SUNDAY),
        "months": spans(calendar.YEAR) | spans([str(n) for n in range(1, 13)]),
        "days_of_month": st.lists(
            DAYS.map(str)
            | DAYS.map(lambda d: f"-{d}")
            | st.tuples(DAYS, DAYS).map(sorted).map("{0[0]}:{0[1]}".format)
            | st.tuples(DAYS, DAYS).map(sorted).map("-{0[1]}:-{0[0]}".format),
            min_size=1,
        ),
        "years": spans([str(y) for y in range(2024, 2029)]),
    },
).filter(lambda fields: len(fields) > 1)


@given(INTERVALS, st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)))  # noqa: DTZ001 - made aware below
@settings(max_examples=500, deadline=None)
def test_any_interval_is_read_as_a_calendar_reads_it(fields, naive):
    at = naive.replace(tzinfo=UTC)
    assert interval(**fields).contains(at) is calendar.contains(fields, at)
