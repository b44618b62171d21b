"""What every other part stands on: the data directory, the store, the clock, the metrics."""

import fcntl
import os
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from pydantic import SecretStr

from sre_daemon.clock import Clock
from sre_daemon.domain import redaction
from sre_daemon.errors import ConfigError
from sre_daemon.executor.hands import write_tool_settings
from sre_daemon.metrics import Metrics
from sre_daemon.observe import Observer
from sre_daemon.policy.source import PolicyFile
from sre_daemon.settings import Secrets, Settings
from sre_daemon.store.audit import AuditLog
from sre_daemon.store.base import Store
from sre_daemon.store.database import Database
from sre_daemon.store.place import database
from sre_daemon.tasks import Tasks

OpenStore = Callable[[Database], Store]


@dataclass(frozen=True, slots=True)
class Base:
    """What everything else stands on."""

    settings: Settings
    secrets: Secrets
    clock: Clock
    data: Path
    replica: str
    metrics: Metrics
    tasks: Tasks
    policy: PolicyFile
    database: Database
    store: Store
    audit: AuditLog
    observer: Observer
    tools: Path


async def foundation(
    stack: AsyncExitStack,
    settings: Settings,
    secrets: Secrets,
    clock: Clock,
    open_store: OpenStore,
) -> Base:
    data = _own(stack, settings.data_dir)
    redaction.use(_masking_key(data), _known(secrets))
    place = database(settings.store, data, reveal(secrets.store_password))
    store = open_store(place)
    await store.open()
    stack.push_async_callback(store.close)
    replica = _replica(data)
    await store.forget_claims(replica)
    observer = await stack.enter_async_context(
        Observer(
            str(settings.prometheus.url),
            settings.clusters,
            settings.prometheus.timeout.total_seconds(),
            clock,
        )
    )
    return Base(
        settings=settings,
        secrets=secrets,
        clock=clock,
        data=data,
        replica=replica,
        metrics=Metrics(),
        tasks=Tasks(),
        policy=PolicyFile(settings.policy),
        database=place,
        store=store,
        audit=AuditLog(place),
        observer=observer,
        tools=write_tool_settings(settings, secrets, data / "tools.json"),
    )


def _own(stack: AsyncExitStack, data: Path) -> Path:
    """Make the data directory ours alone, until the daemon stops or dies."""
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = stack.enter_context((data / "lock").open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError(
            f"{data}: another sre-daemon uses this data directory", "stop it, or choose another"
        ) from None
    except OSError as failure:
        raise ConfigError(f"{data}: {failure.strerror}", "check data_dir and its owner") from None
    return data


def _masking_key(data: Path) -> bytes:
    """The key of the masks; the tool servers read the same file, so that equality stays visible.

    Raises:
        ConfigError: the file is there and is no key.
    """
    file = data / "redaction.key"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(token_hex(32), encoding="ascii")
    try:
        return bytes.fromhex(file.read_text(encoding="ascii"))
    except ValueError:
        raise ConfigError(f"{file}: is no key", "remove it; a new one is made") from None


def _known(secrets: Secrets) -> list[str]:
    """The daemon's own secrets, which may occur nowhere."""
    values = [getattr(secrets, name) for name in Secrets.model_fields]
    return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]


def _replica(data: Path) -> str:
    """The name of whoever owns this data directory; it stays the same over restarts."""
    file = data / "replica"
    if not file.exists():
        file.write_text(f"{os.uname().nodename}-{uuid.uuid4().hex[:8]}\n", encoding="utf-8")
    return file.read_text(encoding="utf-8").strip()


def reveal(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret is not None else ""
