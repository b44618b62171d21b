"""`policy backtest`: what a policy would have done, from the store itself; no daemon is asked."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from sre_daemon.cli import options, output
from sre_daemon.clock import SystemClock
from sre_daemon.errors import ConfigError
from sre_daemon.pipeline.past import Recorded, recorded
from sre_daemon.policy import file
from sre_daemon.policy.backtest import Judged, backtest, endings, totals
from sre_daemon.settings import Secrets, Settings, load, load_secrets
from sre_daemon.store.history import History
from sre_daemon.store.place import database

SHOWN = 50


def run_backtest(
    config: options.Config,
    policy_file: Annotated[
        Path | None,
        typer.Argument(
            metavar="POLICY", help="The changed policy; without it that of the settings."
        ),
    ] = None,
    since: Annotated[str, typer.Option(help="How far back, such as 24h, 7d or 30d.")] = "30d",
    json: options.Json = False,
) -> None:
    """What a policy would have done on the recorded incidents, and how those ended.

    Exit 0 when it was run, whatever it shows.
    """
    settings = load(config)
    path = policy_file or settings.policy
    if path is None:
        raise ConfigError("there is no policy to run", "name a file, or set policy in the settings")
    policy = file.load(path)
    until = SystemClock().now()
    past = asyncio.run(
        _recorded(
            settings, load_secrets(config.resolve().parent), until - options.period(since), until
        )
    )
    judged = backtest(policy, past.pasts, past.opened)
    if json:
        output.say_json(_data(past, judged))
    else:
        _say(past, judged)


async def _recorded(
    settings: Settings, secrets: Secrets, since: datetime, until: datetime
) -> Recorded:
    password = secrets.store_password.get_secret_value() if secrets.store_password else ""
    place = database(settings.store, settings.data_dir, password)
    # Only to look: a schema of another version stays as it is.
    await place.open(upgrade=False)
    try:
        return await recorded(History(place), since, until)
    finally:
        await place.close()


def _say(past: Recorded, judged: Sequence[Judged]) -> None:
    output.say(
        f"{past.incidents} incidents, {past.undecided} of them never came to a decision; "
        f"{len(judged)} decisions"
    )
    if past.unreadable:
        output.say(f"{past.unreadable} decisions cannot be read by this version", "note", 9)
    if not past.complete:
        output.say("there is more than can be looked at: only the newest was", "note", 9)
    for name, counts in totals(judged).items():
        output.say(_counted(counts), name, 24)
    for name, ended in endings(judged).items():
        if ended:
            output.say(f"ended: {_counted(ended)}", f"would {name}", 24)
    changed = [item for item in judged if item.differs]
    output.say(f"{len(changed)} would be decided otherwise")
    for item in changed[:SHOWN]:
        before, verdict = item.past, item.verdict
        output.say(
            f"{before.question.incident_id} {before.question.at:%Y-%m-%d %H:%M:%S} UTC, "
            f"{before.title}: was {before.decision} ({before.reason}), would be "
            f"{verdict.decision} ({verdict.reason}): {verdict.message}; it ended {before.ending}",
            "changed",
            9,
        )
    if len(changed) > SHOWN:
        output.say(f"and {len(changed) - SHOWN} more; --json has all", "changed", 9)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())


def _data(past: Recorded, judged: Sequence[Judged]) -> dict[str, object]:
    return {
        "incidents": past.incidents,
        "undecided": past.undecided,
        "unreadable": past.unreadable,
        "complete": past.complete,
        "policies": totals(judged),
        "endings": endings(judged),
        "decisions": [_decision(item) for item in judged],
    }


def _decision(item: Judged) -> dict[str, object]:
    past, verdict = item.past, item.verdict
    return {
        "incident": past.question.incident_id,
        "title": past.title,
        "at": past.question.at.isoformat(),
        "was": {"verdict": past.decision, "policy": past.policy, "reason": past.reason},
        "would_be": {
            "verdict": verdict.decision,
            "policy": verdict.policy,
            "reason": verdict.reason,
            "message": verdict.message,
        },
        "differs": item.differs,
        "ended": past.ending,
    }
