"""Ways to people."""

from typing import Literal

from pydantic import HttpUrl

from sre_daemon.settings.base import Group


class ChannelSettings(Group):
    """Somewhere to tell people: an HTTP endpoint that is posted JSON."""

    kind: Literal["webhook"] = "webhook"
    """The only kind so far."""
    url: HttpUrl
    """Where to post."""
