"""`backup`, `restore`, `replay`: living with what is stored."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import httpx
import typer

from sre_daemon.cli import output
from sre_daemon.cli.client import Unreachable
from sre_daemon.cli.options import Config, Url
from sre_daemon.clock import SystemClock
from sre_daemon.errors import ConfigError
from sre_daemon.settings import client_environment, load, webhook_environment
from sre_daemon.store import copies

SQLITE = b"SQLite format 3\0"


def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The copy to write.")],
    config: Config,
) -> None:
    """Write a consistent copy of the store, also while the daemon runs."""
    size = copies.backup(_data(config), target)
    output.say(f"{target}: {size:,} bytes, checked")


def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A copy that `backup` wrote.")],
    config: Config,
) -> None:
    """Put a copy in the place of the store. The daemon must be stopped; nothing is deleted."""
    aside = copies.restore(_data(config), source, SystemClock().now())
    output.say(f"restored from {source}")
    if aside is not None:
        output.say(f"the store before it is {aside}")


def replay(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Notifications, one JSON per line; an exported incident; a store or copy of it.",
        ),
    ],
    pause: Annotated[float, typer.Option(min=0, help="Seconds between two notifications.")] = 0.0,
    url: Url = "",
) -> None:
    """Send recorded notifications again, in their order, as Alertmanager would."""
    known, _ = client_environment()
    address = f"{(url or known).rstrip('/')}/webhook/alertmanager"
    headers = {"Authorization": f"Bearer {webhook_environment()}"}
    sent = 0
    with httpx.Client(timeout=30, trust_env=False, headers=headers) as http:
        for body in _recorded(file):
            try:
                answer = http.post(address, content=body)
            except (httpx.HTTPError, httpx.InvalidURL) as failure:
                raise Unreachable(
                    f"no answer from {address}: {type(failure).__name__}",
                    f"{sent} were stored; is the daemon running?",
                ) from failure
            if answer.status_code == 401:
                raise ConfigError("the webhook token is wrong", "set SRE_DAEMON_WEBHOOK_TOKEN")
            if not answer.is_success:
                raise Unreachable(
                    f"notification {sent + 1} was answered {answer.status_code}: {answer.text[:200]}",
                    f"{sent} were stored",
                )
            sent += 1
            time.sleep(pause)
    output.say(f"{sent} notifications sent and stored")


def _data(config: Path) -> Path:
    settings = load(config)
    if settings.store != "sqlite":
        raise ConfigError(
            f"store is {settings.store.partition(':')[0]}",
            "this is for SQLite; PostgreSQL has pg_dump and pg_restore",
        )
    return settings.data_dir


def _recorded(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as opened:
            if opened.read(len(SQLITE)) == SQLITE:
                yield from copies.bodies(file)
                return
            opened.seek(0)
            if opened.readline().strip() == b"{":
                # A document over several lines: what `incident export` writes.
                yield from _exported(file)
                return
            opened.seek(0)
            for number, line in enumerate(opened, 1):
                if not line.strip():
                    continue
                try:
                    json.loads(line)
                except ValueError:
                    raise ConfigError(f"{file}:{number}: not JSON", "one body per line") from None
                yield line.strip()
    except OSError as failure:
        raise ConfigError(f"{file}: cannot be read: {failure.strerror}") from None


def _exported(file: Path) -> Iterator[bytes]:
    try:
        told = json.loads(file.read_bytes())["notifications"]
        bodies = [json.dumps(item["body"]).encode() for item in told]
    except (ValueError, LookupError, TypeError):
        raise ConfigError(f"{file}: no exported incident", "`incident export` writes one") from None
    yield from bodies
