"""What a channel is. A channel is one file in this folder, a class in it, and its settings."""

from typing import Protocol, runtime_checkable

from sre_daemon.domain.delivery import News
from sre_daemon.notify.message import Message


class Channel(Protocol):
    """One way to people."""

    @property
    def name(self) -> str:
        """As the settings call it."""
        ...

    def keeps_up(self, news: News) -> bool:
        """Whether it wants this news of an incident that it was told of, besides what routes say."""
        ...

    async def send(self, message: Message) -> None:
        """Raises NotifyError, or NotifyRefused when the same message will never be taken.

        The same message may come twice, when the daemon died before it could note the first one.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@runtime_checkable
class Follower(Channel, Protocol):
    """A channel that shows an incident as a whole, such as a thread in a chat."""

    async def follow(self, incident_id: str) -> None:
        """Bring what it shows of the incident up to date; raises NotifyError."""
        ...
