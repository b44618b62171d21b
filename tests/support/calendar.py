"""A slow, obvious reading of time intervals: everything is spelled out as a set and looked up.

The clocks of the zones are written down by hand, as offsets that hold from a moment on, so that
nothing here leans on a library for time zones.
"""

from datetime import UTC, datetime, timedelta
from functools import cache

WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
FROM_SUNDAY = ("sunday", *WEEK[:6])
YEAR = (
    *("january", "february", "march", "april", "may", "june", "july", "august"),
    *("september", "october", "november", "december"),
)
NUMBERS = tuple(str(number) for number in range(1, 13))
CENTURY = tuple(str(year) for year in range(1990, 2100))
LENGTHS = {2026: [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]}
LENGTHS[2025] = LENGTHS[2027] = LENGTHS[2026]
LENGTHS[2028] = [31, 29, *LENGTHS[2026][2:]]


ALL_DAY = {"start_time": "00:00", "end_time": "24:00"}


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


# Minutes east of Greenwich, and from when on; all of 2026 and a day on each side.
CLOCKS = {
    "UTC": [(utc(2025, 12, 1), 0)],
    "Europe/Berlin": [
        (utc(2025, 12, 1), 60),
        (utc(2026, 3, 29, 1), 120),
        (utc(2026, 10, 25, 1), 60),
    ],
    "America/New_York": [
        (utc(2025, 12, 1), -300),
        (utc(2026, 3, 8, 7), -240),
        (utc(2026, 11, 1, 6), -300),
    ],
    "Asia/Kolkata": [(utc(2025, 12, 1), 330)],
    "Australia/Lord_Howe": [
        (utc(2025, 12, 1), 660),
        (utc(2026, 4, 4, 15), 630),
        (utc(2026, 10, 3, 15, 30), 660),
    ],
}


def local(zone, at):
    """What a clock on the wall shows there, without a zone."""
    offset = [minutes for since, minutes in CLOCKS[zone] if since <= at][-1]
    return (at + timedelta(minutes=offset)).replace(tzinfo=None)


@cache
def spelled(names, entries):
    """`a` or `a:b` of a list of names, as all the names that are meant."""
    meant = set()
    for entry in entries:
        first, _, last = str(entry).partition(":")
        if first in names:
            meant |= set(names[names.index(first) : names.index(last or first) + 1])
    return meant


@cache
def days(length, entries):
    """The days that are meant of a month of this length."""
    meant = set()
    for entry in entries:
        first, _, last = str(entry).partition(":")
        begin, end = (int(text) for text in (first, last or first))
        begin, end = (length + 1 + n if n < 0 else n for n in (begin, end))
        meant |= {day for day in range(1, length + 1) if begin <= day <= end}
    return meant


WHOLE_DAY = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(60)]


@cache
def minutes(ranges):
    """The times of day that are meant, as HH:MM."""
    meant = set()
    for start, end in ranges:
        before_end = [text for text in WHOLE_DAY if end == "24:00" or text < end]
        meant |= {text for text in before_end if text >= start}
    return meant


def contains(interval, at):
    """Whether the moment is in the interval, as it is written in the file."""
    clock = local(interval.get("location", "UTC"), at)
    length = LENGTHS[clock.year][clock.month - 1]
    months = tuple(interval.get("months", ["1:12"]))
    ranges = [(e["start_time"], e["end_time"]) for e in interval.get("times", [ALL_DAY])]
    return (
        WEEK[clock.weekday()] in spelled(FROM_SUNDAY, tuple(interval.get("weekdays", WEEK)))
        and clock.day in days(length, tuple(interval.get("days_of_month", ["1:31"])))
        and (
            YEAR[clock.month - 1] in spelled(YEAR, months)
            or str(clock.month) in spelled(NUMBERS, months)
        )
        and str(clock.year) in spelled(CENTURY, tuple(interval.get("years", CENTURY)))
        and clock.strftime("%H:%M") in minutes(tuple(ranges))
    )
