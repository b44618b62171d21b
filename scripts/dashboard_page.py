"""The dashboard's JSON as one page: a drawing for the documentation, made without Grafana.

Titles, places, queries, legends and units are read from the JSON; the values come from a real
Prometheus. Scales and numbers are the console's.
"""

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sre_daemon.report.charts import number

COLOURS = ("#1f6feb", "#d9730d", "#0f7b6c", "#ad1a72", "#6940a5", "#787774", "#b58900", "#d73a49")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 440, 150, 52, 8, 8, 20
STYLE = """
body { margin: 0; padding: 16px 20px; background: #f4f5f5; color: #24292e;
  font: 13px system-ui, "DejaVu Sans", sans-serif; width: 1440px; box-sizing: border-box; }
p.from { margin: 0 0 10px; color: #57606a; }
h1 { font-size: 20px; margin: 0 0 2px; }
main { display: grid; grid-template-columns: repeat(24, 1fr); gap: 8px; }
h2 { grid-column: 1 / -1; font-size: 15px; margin: 10px 0 0; }
section { background: #fff; border: 1px solid #dcdee1; border-radius: 4px; padding: 7px 10px; min-width: 0; }
h3 { font-size: 13px; margin: 0; } section p { margin: 1px 0 4px; color: #57606a; font-size: 11px; }
.stat { font-size: 30px; text-align: center; margin: 4px 0; color: #0f7b6c; }
.none { color: #8b949e; text-align: center; padding: 40px 0; }
svg { display: block; width: 100%; height: auto; } svg text { font-size: 10px; fill: #57606a; }
ul { list-style: none; margin: 3px 0 0; padding: 0; font-size: 11px; }
li { display: inline-block; margin-right: 10px; overflow-wrap: anywhere; } i { display: inline-block; width: 9px; height: 9px;
  margin-right: 4px; border-radius: 2px; }
"""

Scale = Callable[[float], float]


@dataclass(frozen=True)
class Line:
    """One series: its legend, and its values by time; what is no number is left out."""

    legend: str
    values: Mapping[float, float]


def page(
    dashboard: Mapping[str, Any], lines: Mapping[int, Sequence[Line]], begin: float, origin: str
) -> str:
    """HTML; `lines` are those of each panel by its id, and begin at `begin` or later."""
    parts = [
        heading(panel["title"])
        if panel["type"] == "row"
        else drawn(panel, [line for line in lines[panel["id"]] if line.values], begin)
        for panel in dashboard["panels"]
    ]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{dashboard['title']}</title>"
        f"<style>{STYLE}</style><h1>{html.escape(dashboard['title'])}</h1>"
        f"<p class=from>{html.escape(origin)}</p><main>{''.join(parts)}</main></html>"
    )


def heading(title: str) -> str:
    """Of a row."""
    return f"<h2>{html.escape(title)}</h2>"


def drawn(panel: Mapping[str, Any], lines: Sequence[Line], begin: float) -> str:
    """One panel in its place."""
    defaults = panel["fieldConfig"]["defaults"]
    unit = defaults.get("unit", "short")
    if not lines:
        inside = "<div class=none>No data</div>"
    elif panel["type"] == "stat":
        last = lines[0].values[max(lines[0].values)]
        inside = f"<div class=stat>{html.escape(said(last, unit))}</div>"
    else:
        stacked = defaults.get("custom", {}).get("stacking", {}).get("mode") == "normal"
        inside = picture(lines, unit, begin, stacked=stacked) + legend(lines, unit)
    return (
        f'<section style="grid-column: span {panel["gridPos"]["w"]}"><h3>{html.escape(panel["title"])}</h3>'
        f"<p>{html.escape(panel.get('description', ''))}</p>{inside}</section>"
    )


def said(value: float, unit: str) -> str:
    """A value in the panel's unit."""
    if unit == "s":
        return f"{number(value * 1000)} ms" if 0 < abs(value) < 1 else f"{number(value)} s"
    if unit == "bytes":
        return f"{value / 2**20:.0f} MiB"
    if unit == "percentunit":
        return f"{number(value * 100)} %"
    return f"${number(value)}" if unit == "currencyUSD" else number(value)


def legend(lines: Sequence[Line], unit: str) -> str:
    """Each series with its colour and last value."""
    items = [
        f'<li><i style="background: {colour(place)}"></i>{html.escape(line.legend)}: '
        f"{html.escape(said(line.values[max(line.values)], unit))}</li>"
        for place, line in enumerate(lines)
    ]
    return f"<ul>{''.join(items)}</ul>"


def colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def picture(lines: Sequence[Line], unit: str, begin: float, *, stacked: bool) -> str:
    """Lines from `begin` on, or bars upon each other."""
    times = sorted({at for line in lines for at in line.values})
    start, end = min(times[0], begin), max(times[-1], begin + 1)
    tops = [
        sum(line.values.get(at, 0) for line in lines)
        if stacked
        else max(line.values.get(at, -math.inf) for line in lines)
        for at in times
    ]
    least = 0.0 if stacked else min(0.0, *(v for line in lines for v in line.values.values()))
    most = max(*tops, least) if max(*tops, least) > least else least + 1.0

    def x(at: float) -> float:
        return round(LEFT + (at - start) / (end - start) * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        share = (value - least) / ((most - least) * 1.05)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    if stacked:
        marks = bars(lines, times, x, y)
    else:
        marks = "".join(path(line, colour(place), x, y) for place, line in enumerate(lines))
    scale = "".join(
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value)}" y2="{y(value)}" stroke="#e1e4e8"/>'
        f'<text x="{LEFT - 5}" y="{y(value) + 3}" text-anchor="end">{html.escape(said(value, unit))}</text>'
        for value in (least, (least + most) / 2, most)
    )
    clock = (
        f'<text x="{LEFT}" y="{HEIGHT - 6}">0 s</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{end - start:.0f} s</text>'
    )
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}">{scale}{marks}{clock}</svg>'


def path(line: Line, paint: str, x: Scale, y: Scale) -> str:
    """A line, with a point at its end for whoever has only one value."""
    points = [f"{x(at)} {y(value)}" for at, value in sorted(line.values.items())]
    across, up = points[-1].split()
    return (
        f'<path d="M{" L".join(points)}" fill="none" stroke="{paint}" stroke-width="1.8"/>'
        f'<circle cx="{across}" cy="{up}" r="2.2" fill="{paint}"/>'
    )


def bars(lines: Sequence[Line], times: Sequence[float], x: Scale, y: Scale) -> str:
    """At each time the values upon each other."""
    wide = max(1.5, (WIDTH - LEFT - RIGHT) / 130)
    parts = []
    for at in times:
        below = 0.0
        for place, line in enumerate(lines):
            value = line.values.get(at, 0)
            if value > 0:
                parts.append(
                    f'<rect x="{x(at) - wide / 2:.1f}" width="{wide:.1f}" y="{y(below + value)}" '
                    f'height="{y(below) - y(below + value):.1f}" fill="{colour(place)}"/>'
                )
                below += value
    return "".join(parts)
