"""What the HTTP front needs of the rest of the daemon: narrow interfaces, filled in by the app."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from aiohttp import web

from sre_daemon.clock import Clock
from sre_daemon.domain.notification import Notification
from sre_daemon.metrics import Metrics
from sre_daemon.settings import ReceiverSettings
from sre_daemon.store.base import Store


class Accepts(Protocol):
    """Stores notifications."""

    async def accept(self, notification: Notification) -> None:
        """Return when it is durable; raises StoreUnavailable."""
        ...


class Controls(Protocol):
    """What a person may ask of the daemon."""

    async def pause(self, reason: str, who: str) -> None:
        """Change nothing from now on."""
        ...

    async def resume(self, reason: str, who: str) -> None:
        """Undo a pause."""
        ...

    async def status(self) -> Mapping[str, object]:
        """JSON values."""
        ...

    async def ready(self) -> Mapping[str, str]:
        """`ok` or what is wrong, for each dependency."""
        ...

    async def explain(self, labels: Mapping[str, str]) -> Mapping[str, object]:
        """What the policy says about an alert."""
        ...


Parse = Callable[[bytes, datetime, str, str], Notification]


@dataclass(frozen=True)
class Front:
    """Everything the handlers use."""

    store: Store
    intake: Accepts
    parse: Parse
    control: Controls
    clock: Clock
    metrics: Metrics
    receiver: ReceiverSettings
    webhook_token: str
    api_token: str
    engine: str


FRONT: web.AppKey[Front] = web.AppKey("front", Front)
