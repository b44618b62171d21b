"""`investigate`: one investigation now, read-only, told step by step."""

import asyncio
import json as jsonlib
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from sre_daemon import settings
from sre_daemon.agent.base import SpentStep, Step, TextStep, ToolStep
from sre_daemon.cli import output
from sre_daemon.cli.options import Config, Json
from sre_daemon.clock import SystemClock
from sre_daemon.domain.alert import Alert, AlertStatus
from sre_daemon.domain.diagnosis import Diagnosis
from sre_daemon.domain.sender import Sender
from sre_daemon.errors import ConfigError, PayloadInvalid
from sre_daemon.pipeline import wire

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 40
MAX_SERIES = 3


def investigate(
    config: Config,
    what: Annotated[
        str, typer.Argument(help="A notification's file, `-` for standard input, or an alert name.")
    ] = "",
    text: Annotated[str, typer.Option(help="A question in your own words.")] = "",
    json: Json = False,
) -> None:
    """One investigation now, read-only; exit 0 when a cause was found, 1 when not."""
    from sre_daemon.app.oneshot import investigate as run

    if bool(what) == bool(text):
        raise ConfigError("give a file, `-`, an alert name, or --text", "one of them")
    alerts = _alerts(what) if what else []

    async def told(step: Step) -> None:
        if not json:
            _tell(step)

    known = settings.load(config)
    secrets = settings.load_secrets(config.resolve().parent)
    report = asyncio.run(run(known, secrets, alerts, text, told))
    if json:
        output.say_json(
            {
                "engine": report.engine,
                "model": report.model,
                "cost_usd": report.usage.cost_usd,
                "diagnosis": wire.diagnosis_to_json(report.diagnosis),
            }
        )
    else:
        _conclude(report.diagnosis)
        output.say(f"{report.engine} {report.model}, {report.usage.cost_usd:.4f} dollars", "by", 12)
    raise typer.Exit(0 if report.diagnosis.conclusive else 1)


def _alerts(what: str) -> list[Alert]:
    from sre_daemon.intake.payload import parse

    now = SystemClock().now()
    if what != "-" and not Path(what).exists():
        return [Alert({"alertname": what}, AlertStatus.FIRING, now)]
    try:
        body = sys.stdin.buffer.read() if what == "-" else Path(what).read_bytes()
        return list(parse(body, now, Sender("default"), "command line").alerts)
    except OSError as failure:
        raise ConfigError(f"{what}: cannot be read: {failure.strerror}") from None
    except PayloadInvalid as failure:
        raise ConfigError(f"{what}: {failure.reason}", "give a notification of version 4") from None


def _tell(step: Step) -> None:
    match step:
        case TextStep():
            output.say(step.text, "says", 12)
        case ToolStep():
            arguments = ", ".join(f"{key}={value}" for key, value in step.arguments.items())
            size = "failed" if step.is_error else f"{len(step.output)} characters"
            said = f"{step.tool}({arguments[:100]}) {step.seconds:.1f} s, {size}"
            output.say(said, step.call, 12)
            for line in sparklines(step.output):
                output.say(line, "", 12)
        case SpentStep():
            pass


def _conclude(diagnosis: Diagnosis) -> None:
    output.say()
    output.say(diagnosis.root_cause or "no cause was found", "cause", 12)
    output.say(f"{diagnosis.confidence:.2f}", "confidence", 12)
    for item in diagnosis.evidence:
        mark = "shown" if item.supported else f"not shown, {item.problem}"
        output.say(f"{item.claim} ({item.call}: {mark})", "evidence", 12)
    for title, items in (
        ("not shown", diagnosis.unshown),
        ("ruled out", diagnosis.ruled_out),
        ("missing", diagnosis.missing),
        ("proposed", [effect.describe() for effect in diagnosis.proposed]),
    ):
        for text in items:
            output.say(text, title, 12)


def sparklines(result: str) -> list[str]:
    """A picture of each of the first series of a range query; none for anything else."""
    try:
        series = jsonlib.loads(result)["series"]
        pictures = [_picture(item) for item in series[:MAX_SERIES] if item.get("values")]
    except (ValueError, LookupError, TypeError, AttributeError):
        return []
    return [picture for picture in pictures if picture]


def _picture(item: dict[str, object]) -> str:
    pairs = item["values"]
    points = (
        [pair for pair in pairs if isinstance(pair[1], int | float)]
        if isinstance(pairs, list)
        else []
    )
    if len(points) < 2:
        return ""
    values = [float(pair[1]) for pair in points]
    step = max(1, -(-len(values) // WIDTH))
    shown = [max(values[at : at + step]) for at in range(0, len(values), step)]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    bars = "".join(BARS[int((value - low) / span * (len(BARS) - 1))] for value in shown)
    since = datetime.fromtimestamp(float(points[0][0]), UTC)
    return f"{bars} {low:g} to {high:g} since {since:%H:%M:%S} UTC {item.get('labels', '')}"
