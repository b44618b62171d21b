"""Slack: who may ask and answer there."""

from pydantic import Field, HttpUrl, field_validator

from sre_daemon.domain.person import Person, Role
from sre_daemon.settings.base import Group
from sre_daemon.settings.people import NAME


class SlackPersonSettings(Group):
    """A person, known by the member id that Slack signs."""

    user: str = Field(pattern=r"^[UW][A-Z0-9]{2,20}$")
    """The member id, such as U0123456789; a display name can be anybody's."""
    name: str = Field(pattern=NAME)
    """Recorded with everything that this person does; `approvers` of a policy may use it."""
    role: Role
    """`viewer` may greet; `approver` asks, answers approvals and takes incidents over."""
    groups: tuple[str, ...] = ()
    """Names that `approvers` of a policy may use, such as `sre-oncall`."""

    @property
    def person(self) -> Person:
        """Whoever this is."""
        return Person(self.name, self.role, self.groups)


class SlackSettings(Group):
    """Slack. Events come over Socket Mode with SLACK_APP_TOKEN, or to `/slack/events` and
    `/slack/interactions` with SLACK_SIGNING_SECRET."""

    people: tuple[SlackPersonSettings, ...] = ()
    """Who may ask and answer; everybody else is told that they may not."""
    concurrency: int = Field(default=3, ge=1, le=20)
    """Questions that are answered at the same time; further ones wait."""
    url: HttpUrl = HttpUrl("https://slack.com/api/")
    """Base address of the Web API; GovSlack has another one."""

    @field_validator("people")
    @classmethod
    def distinct_users(
        cls, people: tuple[SlackPersonSettings, ...]
    ) -> tuple[SlackPersonSettings, ...]:
        """A member is one person, and a name means one person in the record."""
        for values in ([item.user for item in people], [item.name for item in people]):
            if len(values) != len(set(values)):
                raise ValueError("two entries have the same user or name")
        return people
