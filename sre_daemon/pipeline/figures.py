"""The numbers in a claim, recomputed from what the tool really returned. Pure: no I/O.

A number is right when it stands in the quote, when it is a value in the result, or when it is the
first, last, least, greatest, mean, difference or ratio of the values of a series, or the sum of the
last ones, rounded as the claim rounds it. "fewer than 5" is right when a value in the quote is. A number that is part of
a word (p99, 5xx, db-1) is a name.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

STATED = re.compile(
    r"(?<![\w.:/#@-])-?(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?!\d|[-.:/]\d)"
    r"(?P<glued>[%A-Za-zµ]\w*)?(?:\s(?P<unit>%|[A-Za-z]+))?",
    re.ASCII,
)
CLOCK = re.compile(r"(?<![\w:.])\d{1,2}:\d{2}(?::\d{2})?(?![\w:]*\d)", re.ASCII)
TOKEN = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", re.ASCII)
BOUND = re.compile(
    r"(?P<below>less than|fewer than|below|under|at most|no more than|up to|<=?)\s*(?:about\s+)?$"
    r"|(?P<above>more than|greater than|above|over|at least|exceeds|exceeding|>=?)\s*(?:about\s+)?$",
    re.IGNORECASE,
)
# What a stated unit may be of the number that a tool returned (seconds, bytes, a ratio).
FACTORS: Mapping[str, tuple[float, ...]] = {
    "%": (1, 100),
    "percent": (1, 100),
    "ms": (1, 1000),
    "s": (1, 1e-3),
    "sec": (1, 1e-3),
    "second": (1, 1e-3),
    "seconds": (1, 1e-3),
    "min": (1, 1 / 60),
    "minutes": (1, 1 / 60),
    "h": (1, 1 / 3600),
    "hours": (1, 1 / 3600),
    "kb": (1, 1e-3),
    "mb": (1, 1e-6),
    "gb": (1, 1e-9),
    "kib": (1, 2**-10),
    "mib": (1, 2**-20),
    "gib": (1, 2**-30),
    "k": (1, 1e-3),
}
# Windows such as "the last 5 minutes" are the question's, not the answer's.
TIMES = frozenset({"s", "sec", "second", "seconds", "min", "minute", "minutes", "h", "hours", "m"})
UNITS = TIMES | FACTORS.keys() | {"x"}
# Numbers of a result that are about the result.
META = frozenset({"count", "total", "start", "end", "step"})
Numbers = list[float]


@dataclass(frozen=True, slots=True)
class Stated:
    """A number as a claim says it: `step` is the last place it was rounded to."""

    text: str
    value: float
    step: float
    unit: str
    bound: str

    def is_of(self, number: float) -> bool:
        """Whether `number`, in one of the units that may be meant, is this one, or within its bound."""
        return any(self._fits(number * factor) for factor in FACTORS.get(self.unit, (1,)))

    def _fits(self, number: float) -> bool:
        if self.bound == "below":
            return number <= self.value
        if self.bound == "above":
            return number >= self.value
        return abs(abs(number) - self.value) <= self.step / 2 * (1 + 1e-9)


def unfounded(claim: str, quote: str, output: str, arguments: Mapping[str, object]) -> list[str]:
    """The numbers and times of day in `claim` that neither the quote nor the output bears out."""
    quoted = _tokens(quote)
    data = _parsed(output)
    known = [*quoted, *(_tokens(output) if data is None else _values(data))]
    wrong = []
    for stated in _stated(claim):
        # A bound is about what was quoted: almost any bound holds for some number of a result.
        against = quoted if stated.bound and quoted else known
        if any(stated.is_of(number) for number in against):
            continue
        if stated.unit in TIMES and stated.value in _durations(arguments):
            continue
        wrong.append(stated.text)
    wrong += [
        time for time in CLOCK.findall(claim) if time not in f"{quote}\n{output}{_clock(data)}"
    ]
    return wrong


def among(sentence: str, known: Iterable[str]) -> list[str]:
    """The numbers in `sentence` that stand in none of the `known` texts."""
    numbers = [number for text in known for number in _tokens(text)]
    return [
        stated.text
        for stated in _stated(sentence)
        if not any(stated.is_of(number) for number in numbers)
    ]


def _stated(claim: str) -> Iterator[Stated]:
    for match in STATED.finditer(claim):
        glued = (match["glued"] or "").lower()
        if glued and glued not in UNITS:
            continue  # 5xx, 95th: a name
        text = match["number"].replace(",", "")
        decimals = len(text.partition(".")[2])
        zeros = len(text) - len(text.rstrip("0")) if "." not in text and len(text) > 2 else 0
        bound = BOUND.search(claim[: match.start()])
        yield Stated(
            text=match["number"] + (match["glued"] or ""),
            value=float(text),
            step=10.0 ** (zeros - decimals),
            unit=glued or (match["unit"] or "").lower(),
            bound="" if bound is None else str(bound.lastgroup),
        )


def _tokens(text: str) -> Numbers:
    return [float(item) for item in TOKEN.findall(text)]


def _parsed(output: str) -> object:
    try:
        return json.loads(output)
    except ValueError:
        return None


def _values(data: object) -> Numbers:
    """The numbers of a result, and those that follow from its series."""
    found = list(_leaves(data))
    lasts = []
    for values in _series(data):
        first, last = values[0], values[-1]
        # With the values themselves, without their times.
        found += [*values, sum(values) / len(values), last - first]
        if first:
            found.append(last / first)
        lasts.append(last)
    if lasts:
        found += [sum(lasts), float(len(lasts))]
    return found


def _leaves(node: object, top: bool = True) -> Iterator[float]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if not (top and key in META) and not (key == "values" and isinstance(value, list)):
                yield from _leaves(value, top=False)
    elif isinstance(node, list):
        for value in node:
            yield from _leaves(value, top=False)
    elif isinstance(node, bool):
        return
    elif isinstance(node, int | float):
        yield float(node)
    elif isinstance(node, str) and TOKEN.fullmatch(node):
        # A longer text lends nothing unless it is quoted.
        yield float(node)


def _series(data: object) -> Iterator[Numbers]:
    series = data.get("series") if isinstance(data, Mapping) else None
    for item in series if isinstance(series, list) else ():
        if not isinstance(item, Mapping):
            continue
        pairs = item.get("values") or [[0, item.get("value")]]
        values = [pair[1] for pair in pairs if isinstance(pair, list) and len(pair) == 2]
        numbers = [float(value) for value in values if isinstance(value, int | float)]
        if numbers:
            yield numbers


def _clock(data: object) -> str:
    """The times of the values, as a clock in UTC shows them."""
    series = data.get("series") if isinstance(data, Mapping) else None
    times = [
        datetime.fromtimestamp(pair[0], UTC).strftime("%H:%M:%S")
        for item in (series if isinstance(series, list) else ())
        for pair in (item.get("values") or () if isinstance(item, Mapping) else ())
        if isinstance(pair, list) and isinstance(pair[0], int | float)
    ]
    return "\n".join(["", *times])


def _durations(arguments: Mapping[str, object]) -> Numbers:
    text = json.dumps(dict(arguments), default=str)
    return [float(item) for item in re.findall(r"(?<![\w.])(\d+)(?:s|m|h)\b", text)]
