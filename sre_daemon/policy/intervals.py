"""Alertmanager's time intervals: the same fields, the same rules, as a pure question about a moment.

Every field that is given must match, one of its entries each. Times of day begin at their start
and end before their end; a range over midnight is written as two. Weekdays, months and years are
inclusive. Days of the month may be negative, counted from its end. The moment is looked at on the
clock of the interval's zone: an hour that is skipped there is never, one that is repeated is twice.
"""

import calendar
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, field_validator, model_validator

from sre_daemon.policy.part import Part

WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
CLOCK = re.compile(r"(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)", re.ASCII)
# The shortest month: what ends before it begins there, always does.
SHORTEST = 28

Range = tuple[int, int]


def _range(text: object, number: Callable[[str], int]) -> Range:
    """`a` or `a:b`, as inclusive numbers."""
    if not isinstance(text, str | int) or isinstance(text, bool):
        raise ValueError(f"{text!r} is no entry; write a or a:b")
    first, colon, last = str(text).partition(":")
    begin = number(first.lower())
    return begin, number(last.lower()) if colon else begin


def _weekday(text: str) -> int:
    if text not in WEEKDAYS:
        raise ValueError(f"{text!r} is no weekday, such as monday")
    return WEEKDAYS.index(text)


def _month(text: str) -> int:
    if text in MONTHS:
        return MONTHS.index(text) + 1
    if re.fullmatch(r"[1-9]|1[0-2]", text, re.ASCII):
        return int(text)
    raise ValueError(f"{text!r} is no month, such as may or 5")


def _year(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{3}", text, re.ASCII):
        raise ValueError(f"{text!r} is no year, such as 2026")
    return int(text)


def _day(text: str) -> int:
    if not re.fullmatch(r"-?([1-9]|[12][0-9]|3[01])", text, re.ASCII):
        raise ValueError(f"{text!r} is no day of a month: 1 to 31, or -1 to -31 from its end")
    return int(text)


def _forward(text: object, number: Callable[[str], int]) -> Range:
    begin, end = _range(text, number)
    if begin > end:
        raise ValueError(f"{text!r} ends before it begins; write two ranges")
    return begin, end


def _days(text: object) -> Range:
    begin, end = _range(text, _day)
    if begin < 0 < end:
        raise ValueError(f"{text!r}: what begins from the end of a month ends there, too")
    if _at_least(begin) > _at_least(end):
        raise ValueError(f"{text!r} ends before it begins; write two ranges")
    return begin, end


def _at_least(day: int) -> int:
    return day + SHORTEST if day < 0 else day


def _list(value: object) -> Sequence[object]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise ValueError("must be a list with at least one entry")
    return value


def _entries(read: Callable[[object], Range]) -> BeforeValidator:
    """Each entry read; editors are told that they are texts or numbers."""

    def entries(value: object) -> tuple[Range, ...]:
        return tuple(read(item) for item in _list(value))

    return BeforeValidator(entries, json_schema_input_type=list[str | int])


Weekdays = Annotated[tuple[Range, ...], _entries(lambda item: _forward(item, _weekday))]
Days = Annotated[tuple[Range, ...], _entries(_days)]
Months = Annotated[tuple[Range, ...], _entries(lambda item: _forward(item, _month))]
Years = Annotated[tuple[Range, ...], _entries(lambda item: _forward(item, _year))]


class Times(Part):
    """A range of one day."""

    start_time: str
    """HH:MM, included."""
    end_time: str
    """HH:MM up to 24:00, not included."""

    @field_validator("start_time", "end_time")
    @classmethod
    def clock(cls, text: str) -> str:
        """A time of day."""
        if CLOCK.fullmatch(text) is None:
            raise ValueError(f"{text!r} is no time; write HH:MM, up to 24:00")
        return text

    @model_validator(mode="after")
    def forward(self) -> "Times":
        """Over midnight is written as two ranges, as Alertmanager wants it."""
        if _minute(self.start_time) >= _minute(self.end_time):
            raise ValueError(
                f"{self.start_time} to {self.end_time} does not go forward; over midnight write "
                f"two ranges: {self.start_time} to 24:00, and 00:00 to {self.end_time}"
            )
        return self

    def contains(self, minute: int) -> bool:
        """Whether this minute of the day is in it."""
        return _minute(self.start_time) <= minute < _minute(self.end_time)


def _minute(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


class Interval(Part):
    """One interval: every field that is given must match."""

    times: tuple[Times, ...] = ()
    """Times of day."""
    weekdays: Weekdays = ()
    """`monday` or `monday:friday`; a week begins with sunday."""
    days_of_month: Days = ()
    """`1`, `1:5` or `-3:-1`, counted from the end."""
    months: Months = ()
    """`january`, `1:3`, `may:august`."""
    years: Years = ()
    """`2026` or `2026:2028`."""
    location: str = "UTC"
    """A time zone, such as `Europe/Berlin`."""

    @field_validator("times", mode="before")
    @classmethod
    def some_times(cls, value: object) -> Any:
        """An empty list would be never, or always: nobody means either."""
        return _list(value)

    @field_validator("location")
    @classmethod
    def known(cls, name: str) -> str:
        """The zone must exist, and mean the same on every machine."""
        if name == "Local":
            raise ValueError("Local depends on the machine; name the zone, such as Europe/Berlin")
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{name!r} is no time zone, such as Europe/Berlin") from None
        return name

    @model_validator(mode="after")
    def says_something(self) -> "Interval":
        """An empty interval would be always, which nobody writes on purpose."""
        if not (self.times or self.weekdays or self.days_of_month or self.months or self.years):
            raise ValueError("an interval needs times, weekdays, days_of_month, months or years")
        return self

    def contains(self, at: datetime) -> bool:
        """Whether the moment is in it, on the clock of its own zone."""
        try:
            local = at.astimezone(ZoneInfo(self.location))
        except OverflowError:  # at the ends of time, where no zone has a clock
            return False
        minute = local.hour * 60 + local.minute
        return (
            _any(self.years, local.year)
            and _any(self.months, local.month)
            and (not self.days_of_month or _in_days(self.days_of_month, local))
            and _any(self.weekdays, (local.weekday() + 1) % 7)
            and (not self.times or any(times.contains(minute) for times in self.times))
        )


def _any(ranges: Sequence[Range], value: int) -> bool:
    return not ranges or any(begin <= value <= end for begin, end in ranges)


def _in_days(ranges: Sequence[Range], local: datetime) -> bool:
    length = calendar.monthrange(local.year, local.month)[1]
    for first, last in ranges:
        begin = first if first > 0 else length + first + 1
        end = last if last > 0 else length + last + 1
        # What begins after the end of a short month is not in it; the rest is cut to the month.
        if begin <= length and begin <= local.day <= end:
            return True
    return False


class NamedIntervals(Part):
    """Intervals under a name; one of them is enough."""

    name: str = Field(min_length=1)
    """Named by `active_time_intervals`."""
    time_intervals: tuple[Interval, ...] = Field(min_length=1)
    """The intervals."""

    def contains(self, at: datetime) -> bool:
        """Whether the moment is in one of them."""
        return any(interval.contains(at) for interval in self.time_intervals)


def active(names: Sequence[str], known: Mapping[str, NamedIntervals], at: datetime) -> bool:
    """Whether the moment is in one of the named intervals; no name means always."""
    return not names or any(name in known and known[name].contains(at) for name in names)
