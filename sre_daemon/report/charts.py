"""Charts as SVG: one line, its limit, and what happened meanwhile. Readable without colour and without script.

Everything that a colour says is also said by a shape or a word; numbers stand beside the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup, escape

from sre_daemon.domain.effect import ConfigSet
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.remediation import EffectRecord
from sre_daemon.domain.series import Point, Series, take_apart
from sre_daemon.text import line

WIDTH, HEIGHT = 640, 180
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 36, 30
STYLE = (
    "svg{background:#fff}text{font:11px system-ui,sans-serif;fill:#555}.axis{stroke:#bbb}"
    ".series{fill:none;stroke:#1a5fb4;stroke-width:2}.last{fill:#1a5fb4}"
    ".limit{stroke:#9a6700;stroke-width:1.5;stroke-dasharray:6 4}"
    ".mark{stroke:#777;stroke-dasharray:2 3}"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened: a moment and one or two words."""

    at: datetime
    word: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What a page shows of one query."""

    condition: str
    picture: Markup
    before: float | None
    after: float | None
    lowest: float
    highest: float


def chart(series: Series, marks: Sequence[Mark], changed: datetime | None) -> Chart | None:
    """The chart of a series, with the last value before the first change, if there was one, and the
    last of all."""
    points = series.points
    if len(points) < 2:
        return None
    earlier = [point.value for point in points if changed is not None and point.at <= changed]
    before = earlier[-1] if earlier else None
    picture = _Picture(points, series.condition).draw(marks, before)
    values = [point.value for point in points]
    return Chart(series.condition, picture, before, values[-1], min(values), max(values))


def charts(
    kept: Sequence[Series],
    incident: Incident,
    events: Sequence[TimelineEvent],
    effects: Sequence[EffectRecord],
) -> list[Chart]:
    """The charts of an incident, with its alert, its repair and its end in them."""
    settled = [(r.settled_at, r) for r in effects if r.settled_at is not None]
    marks = [Mark(incident.created_at, "alert"), *(Mark(at, _word(r)) for at, r in settled)]
    over = [e for e in events if e.kind is Kind.STATE and e.data.get("to") == State.RESOLVED]
    marks += [Mark(event.at, "resolved") for event in over[:1]]
    changed = min((r.intended_at for _, r in settled if r.intended_at), default=None)
    return [drawn for series in kept if (drawn := chart(series, marks, changed)) is not None]


def standalone(picture: Markup) -> str:
    """The picture as a file of its own, which no page gives its looks to."""
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
    head = str(picture).replace("<svg ", opening, 1)
    return head.replace(">", f"><style>{STYLE}</style>", 1) + "\n"


def _word(record: EffectRecord) -> str:
    if record.direction == "rollback":
        return "taken back"
    return record.effect.key if isinstance(record.effect, ConfigSet) else record.effect.kind


class _Picture:
    """The scales of one picture."""

    def __init__(self, points: Sequence[Point], condition: str) -> None:
        self.points = points
        self.condition = take_apart(condition)
        limit = self.condition.limit
        values = [point.value for point in points] + ([] if limit is None else [limit])
        low, high = min(values), max(values)
        low = min(low, 0.0) if low < high * 0.5 or low >= 0 else low
        if low == high:
            high = low + max(1.0, abs(low) * 0.1)
        self.low, self.high = low, high + (high - low) * 0.08
        self.start, self.end = points[0].at, points[-1].at

    def x(self, at: datetime) -> float:
        share = (at - self.start) / max(self.end - self.start, timedelta(microseconds=1))
        return round(LEFT + min(1.0, max(0.0, share)) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    def draw(self, marks: Sequence[Mark], before: float | None) -> Markup:
        last = self.points[-1].value
        told = f"{line(self.condition.query, 120)}: now {number(last)}"
        if before is not None:
            told = (
                f"{line(self.condition.query, 120)}: {number(before)} before, {number(last)} after"
            )
        parts = [
            Markup(
                '<svg class="chart" viewBox="0 0 {w} {h}" role="img" aria-label="{told}">'
                '<line class="axis" x1="{l}" y1="{b}" x2="{r}" y2="{b}"/>'
            ).format(w=WIDTH, h=HEIGHT, told=told, l=LEFT, b=HEIGHT - BOTTOM, r=WIDTH - RIGHT),
            self._scale(),
            self._limit(),
            *self._marks(marks),
            Markup('<path class="series" d="{}"/>').format(self._path()),
            Markup('<circle class="last" cx="{}" cy="{}" r="3.5"/>').format(
                self.x(self.end), self.y(last)
            ),
            Markup("</svg>"),
        ]
        return Markup("").join(parts)

    def _path(self) -> str:
        """One line, broken where samples are missing."""
        steps = [b.at - a.at for a, b in zip(self.points, self.points[1:], strict=False)]
        usual = sorted(steps)[len(steps) // 2]
        words = []
        for place, point in enumerate(self.points):
            gap = place == 0 or point.at - self.points[place - 1].at > usual * 2.5
            words.append(f"{'M' if gap else 'L'}{self.x(point.at)} {self.y(point.value)}")
        return " ".join(words)

    def _scale(self) -> Markup:
        top = max(point.value for point in self.points)
        bottom = min(point.value for point in self.points)
        parts = [
            _text(LEFT - 8, self.y(value) + 4, number(value), "end")
            for value in dict.fromkeys([top, bottom])
        ]
        parts += [
            _text(LEFT, HEIGHT - 10, f"{self.start:%H:%M:%S}", "start"),
            _text(WIDTH - RIGHT, HEIGHT - 10, f"{self.end:%H:%M:%S} UTC", "end"),
        ]
        return Markup("").join(parts)

    def _limit(self) -> Markup:
        limit = self.condition.limit
        if limit is None:
            return Markup("")
        y = self.y(limit)
        return Markup('<line class="limit" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
            LEFT, y, WIDTH - RIGHT, y
        ) + _text(LEFT + 6, y - 5, f"{self.condition.operator} {number(limit)}", "start")

    def _marks(self, marks: Sequence[Mark]) -> list[Markup]:
        """Words in two rows; one that would stand on another is left out: the timeline has them all."""
        parts, ends = [], [0.0, 0.0]
        for mark in sorted(marks, key=lambda item: item.at):
            if not self.start <= mark.at <= self.end:
                continue
            x = self.x(mark.at)
            parts.append(
                Markup('<line class="mark" x1="{x}" y1="{t}" x2="{x}" y2="{b}"/>').format(
                    x=x, t=TOP - 6, b=HEIGHT - BOTTOM
                )
            )
            wide = 4 + 6.5 * len(mark.word)
            left = x + 4 if x + wide < WIDTH else x - wide
            row = next((row for row, end in enumerate(ends) if left > end), None)
            if row is not None:
                parts.append(_text(left, TOP - 24 + 14 * row, mark.word, "start"))
                ends[row] = left + wide
        return parts


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(
        round(x, 1), round(y, 1), anchor, escape(line(text, 40))
    )


def number(value: float) -> str:
    """Three significant digits, thousands as k and M."""
    size = abs(value)
    for unit, word in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= unit:
            return f"{value / unit:.3g}{word}"
    return f"{value:.3g}"
