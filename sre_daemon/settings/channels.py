"""Who is told: channels, and routes that lead to them."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, HttpUrl, model_validator

from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.verdict import Reason
from sre_daemon.settings.base import Duration, Group
from sre_daemon.settings.digest import DigestSettings

NAME = r"^[a-z0-9][a-z0-9._-]{0,39}$"


class WebhookChannelSettings(Group):
    """An HTTP endpoint that is posted JSON."""

    kind: Literal["webhook"]
    """`webhook`"""
    name: str = Field(default="webhook", pattern=NAME)
    """What routes, metrics and the timeline call it."""
    url: HttpUrl
    """Where to post."""
    secret_file: Path | None = None
    """File with a secret; each post is then signed with it in the header `X-Sre-Daemon-Signature`."""


class EmailChannelSettings(Group):
    """Mail over SMTP. The password is SRE_DAEMON_SMTP_PASSWORD."""

    kind: Literal["email"]
    """`email`"""
    name: str = Field(default="email", pattern=NAME)
    """What routes, metrics and the timeline call it."""
    host: str = Field(min_length=1)
    """The mail server."""
    port: int = Field(default=587, ge=1, le=65535)
    """Its port."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`none` is refused together with a user name."""
    username: str = ""
    """For the login at the mail server; empty: without."""
    sender: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")
    """The address in From."""
    to: tuple[str, ...] = Field(min_length=1)
    """Addresses."""

    @model_validator(mode="after")
    def _no_password_in_the_open(self) -> "EmailChannelSettings":
        if self.username and self.security == "none":
            raise ValueError("a password would be sent in the open; use starttls or tls")
        return self


class PagerDutyChannelSettings(Group):
    """PagerDuty, Events API v2. The key is PAGERDUTY_ROUTING_KEY, or in a file."""

    kind: Literal["pagerduty"]
    """`pagerduty`"""
    name: str = Field(default="pagerduty", pattern=NAME)
    """What routes, metrics and the timeline call it."""
    routing_key_file: Path | None = None
    """File with the integration key of the service, where there is more than one service."""
    url: HttpUrl = HttpUrl("https://events.pagerduty.com")
    """Base address of the Events API; EU accounts have another one."""
    api_url: HttpUrl = HttpUrl("https://api.pagerduty.com")
    """Base address of the REST API, used for notes when PAGERDUTY_API_KEY is set."""


class SlackChannelSettings(Group):
    """A channel of Slack, with one thread per incident. The token is SLACK_BOT_TOKEN; see `slack`."""

    kind: Literal["slack"]
    """`slack`"""
    name: str = Field(default="slack", pattern=NAME)
    """What routes, metrics and the timeline call it."""
    room: str = Field(pattern=r"^[CG][A-Z0-9]{2,20}$")
    """The id of Slack's channel, such as C0123456789; the app must be a member."""


ChannelSettings = Annotated[
    WebhookChannelSettings | EmailChannelSettings | PagerDutyChannelSettings | SlackChannelSettings,
    Field(discriminator="kind"),
]


class RouteSettings(Group):
    """Which channels hear of what. The first route that matches is taken; whoever was told of an
    incident also hears that it is resolved."""

    matchers: tuple[str, ...] = ()
    """On the labels of the incident and its `severity`, in Alertmanager's syntax; none: all."""
    states: tuple[State, ...] = (State.AWAITING_APPROVAL, State.ESCALATED, State.RESOLVED)
    """The states that are told; with `triggered` the page comes first and the analysis follows."""
    channels: tuple[str, ...] = ()
    """Names of channels; none: nobody."""
    go_on: bool = Field(default=False, alias="continue")
    """Look at the routes below as well."""


class ReminderSettings(Group):
    """Reminders of what waits for a person."""

    every: Duration = timedelta(minutes=15)
    """How often an approval that waits is called to mind."""
    most: int = Field(default=4, ge=0)
    """How often at most."""


class NotifySettings(Group):
    """Who is told, besides the log and the console."""

    channels: tuple[ChannelSettings, ...] = ()
    """The ways to people; each has a name of its own."""
    routes: tuple[RouteSettings, ...] = ()
    """Without any, every channel hears of approvals, escalations and resolutions, and of critical
    incidents as soon as they are triggered."""
    quiet: tuple[Reason, ...] = (Reason.INCONCLUSIVE,)
    """Reasons that wake nobody: such a message is sent with the lowest urgency, unless critical."""
    daemon: tuple[str, ...] | None = None
    """The channels that hear when the daemon itself is in trouble; not set: all."""
    digest: DigestSettings = DigestSettings()
    """The digest that comes by itself."""
    reminders: ReminderSettings = ReminderSettings()
    """Reminders of what waits for a person."""
    console_url: HttpUrl | None = None
    """Where people reach the console; messages then carry links."""

    @model_validator(mode="after")
    def _names(self) -> "NotifySettings":
        names = [channel.name for channel in self.channels]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two channels are called {', '.join(twice)}; give them names")
        for number, route in enumerate(self.routes):
            unknown = sorted(set(route.channels) - set(names))
            if unknown:
                raise ValueError(
                    f"route {number} leads to {', '.join(unknown)}, which is no channel"
                )
        missing = sorted(set(self.daemon or ()) - set(names))
        if missing:
            raise ValueError(f"`daemon` names {', '.join(missing)}, which is no channel")
        pagers = {c.name for c in self.channels if c.kind == "pagerduty"}
        wrong = sorted(set(self.digest.channels) - (set(names) - pagers))
        if wrong:
            raise ValueError(
                f"`digest` names {', '.join(wrong)}, which is no channel to read it in"
            )
        return self


def beside(notify: NotifySettings, base: Path) -> NotifySettings:
    """With the paths of its channels taken as relative to `base`."""
    channels = []
    for channel in notify.channels:
        files = {
            name: base / value
            for name in type(channel).model_fields
            if isinstance(value := getattr(channel, name), Path)
        }
        channels.append(channel.model_copy(update=files))
    return notify.model_copy(update={"channels": tuple(channels)})
