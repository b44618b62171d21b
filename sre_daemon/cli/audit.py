"""`audit`: checks and exports the audit log, reading the store itself and asking no daemon."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import typer

from sre_daemon.cli import output
from sre_daemon.cli.options import Config, Json
from sre_daemon.domain.audit import Chain
from sre_daemon.errors import ConfigError
from sre_daemon.settings import Secrets, Settings, load, load_secrets
from sre_daemon.store import heads
from sre_daemon.store.audit import AuditLog
from sre_daemon.store.place import database

app = typer.Typer(help="Check and export the audit log.", no_args_is_help=True)

SHOWN = 20


@app.command("verify")
def audit_verify(
    config: Config,
    head: Annotated[
        list[str] | None,
        typer.Option(help="SEQ:HASH of a line `audit head` in the daemon's log; may be repeated."),
    ] = None,
    json_: Json = False,
) -> None:
    """Look at every line and every signed head; exit 0 nothing is wrong, 1 something is."""
    settings, secrets = load(config), load_secrets(config.resolve().parent)
    known, problems = _heads(settings.data_dir, secrets)
    for text in head or []:
        seq, hash_ = _given(text)
        if known.setdefault(seq, hash_) != hash_:
            problems.append(f"line {seq}: the given head and the signed one differ")
    chain = asyncio.run(_walk(settings, secrets, Chain(known)))
    problems += chain.end()
    signed = max(known, default=0)
    if json_:
        answer = {"lines": chain.seq, "hash": chain.hash, "signed": signed, "problems": problems}
        output.say_json(answer)
    else:
        for problem in problems[:SHOWN]:
            output.say(problem, "error", 9)
        if len(problems) > SHOWN:
            output.say(f"and {len(problems) - SHOWN} more", "error", 9)
        output.say(f"{chain.seq} lines; the last signed head is line {signed}")
    raise typer.Exit(1 if problems else 0)


@app.command("export")
def audit_export(
    config: Config,
    after: Annotated[int, typer.Option(min=0, help="Only lines with a greater number.")] = 0,
) -> None:
    """Write the log to standard output, one JSON object per line."""
    settings, secrets = load(config), load_secrets(config.resolve().parent)
    asyncio.run(_export(settings, secrets, after))


def _heads(folder: Path, secrets: Secrets) -> tuple[dict[int, str], list[str]]:
    """The genuine signed heads, and what is wrong with the others."""
    problems: list[str] = []
    found: dict[int, str] = {}
    secret = secrets.audit_key.get_secret_value() if secrets.audit_key else ""
    if not secret and not (folder / heads.KEY_FILE).exists():
        raise ConfigError(
            "there is no key to check the signed heads with",
            "set SRE_DAEMON_AUDIT_KEY as the daemon has it, or name the settings of its data_dir",
        )
    key = heads.key(folder, secret)
    for number, head in heads.known(folder):
        if head is None:
            problems.append(f"{heads.FILE}:{number}: cannot be read")
        elif not head.genuine(key):
            problems.append(f"{heads.FILE}:{number}: was not signed with this key")
        elif found.setdefault(head.seq, head.hash) != head.hash:
            problems.append(f"{heads.FILE}:{number}: differs from an earlier head of this line")
    return found, problems


def _given(text: str) -> tuple[int, str]:
    seq, _, hash_ = text.partition(":")
    if not (seq.isascii() and seq.isdigit() and len(seq) < 19 and len(hash_) == 64):
        raise ConfigError(f"--head {text}: not SEQ:HASH", "copy both from the line `audit head`")
    return int(seq), hash_


@contextlib.asynccontextmanager
async def _opened(settings: Settings, secrets: Secrets) -> AsyncIterator[AuditLog]:
    password = secrets.store_password.get_secret_value() if secrets.store_password else ""
    place = database(settings.store, settings.data_dir, password)
    # Only to look: a schema of another version stays as it is.
    await place.open(upgrade=False)
    try:
        yield AuditLog(place)
    finally:
        await place.close()


async def _walk(settings: Settings, secrets: Secrets, chain: Chain) -> Chain:
    async with _opened(settings, secrets) as audit:
        async for line in audit.lines():
            chain.walk([line])
    return chain


async def _export(settings: Settings, secrets: Secrets, after: int) -> None:
    async with _opened(settings, secrets) as audit:
        async for line in audit.lines(after):
            sys.stdout.write(json.dumps(line.export(), ensure_ascii=True) + "\n")
