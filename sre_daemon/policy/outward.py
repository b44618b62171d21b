"""What a policy may allow towards people: incidents of PagerDuty, pages of Confluence, silences."""

import re
from typing import Literal

from pydantic import Field

from sre_daemon.domain.effect import Effect
from sre_daemon.domain.outward import (
    ConfluenceCreate,
    PagerDutyCreate,
    PagerDutyUpdate,
    SilenceCreate,
)
from sre_daemon.policy.part import Part

MINUTES = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)
IDENTIFIER = r"^[A-Za-z0-9_-]{1,64}$"
URGENCIES = Literal["high", "low"]
STATUSES = Literal["acknowledged", "resolved"]


class AllowIncident(Part):
    """Incidents may be opened on one service of PagerDuty."""

    effect: Literal["pagerduty.create"]
    service: str = Field(pattern=IDENTIFIER)
    """PagerDuty's id of it, literally."""
    urgency: tuple[URGENCIES, ...] = Field(min_length=1)
    """Which urgencies; `high` calls somebody at once."""

    def covers(self, effect: Effect) -> bool:
        """Whether it is about this service."""
        return isinstance(effect, PagerDutyCreate) and effect.service == self.service

    def allows(self, effect: Effect) -> bool:
        """Whether the urgency is allowed, too."""
        return (
            self.covers(effect)
            and isinstance(effect, PagerDutyCreate)
            and effect.urgency in self.urgency
        )


class AllowIncidentUpdate(Part):
    """Incidents of one service of PagerDuty may get notes and another status."""

    effect: Literal["pagerduty.update"]
    service: str = Field(pattern=IDENTIFIER)
    """PagerDuty's id of it, literally; the tool server looks up whose an incident is."""
    status: tuple[STATUSES, ...] = Field(min_length=1)
    """Which statuses; `acknowledged` is also what notes of progress need."""

    def covers(self, effect: Effect) -> bool:
        """Whether it is about an incident of this service."""
        return isinstance(effect, PagerDutyUpdate) and effect.service == self.service

    def allows(self, effect: Effect) -> bool:
        """Whether the status is allowed, too, and what is resolved has a note."""
        return (
            self.covers(effect)
            and isinstance(effect, PagerDutyUpdate)
            and effect.status in self.status
            and (effect.status != "resolved" or bool(effect.note.strip()))
        )


class AllowPage(Part):
    """Post-mortems may be published in one space of Confluence."""

    effect: Literal["confluence.create"]
    space: str = Field(pattern=r"^[A-Za-z0-9~._-]{1,255}$")
    """Its key, literally."""
    parent: str = Field(default="", pattern=r"^[0-9]{0,20}$")
    """The page below which they are made, literally; without one at the top of the space."""

    def covers(self, effect: Effect) -> bool:
        """Whether it is a page at this place."""
        return isinstance(effect, ConfluenceCreate) and (effect.space, effect.parent) == (
            self.space,
            self.parent,
        )

    def allows(self, effect: Effect) -> bool:
        """The same."""
        return self.covers(effect)


class AllowSilence(Part):
    """The alert that the policy is about may be silenced, and nothing wider."""

    effect: Literal["silence.create"]
    max_minutes: int = Field(ge=5, le=1440)
    """The longest time."""

    def covers(self, effect: Effect) -> bool:
        """Whether it is a silence that names an alert; the decision looks which."""
        return isinstance(effect, SilenceCreate) and bool(effect.labels.get("alertname"))

    def allows(self, effect: Effect) -> bool:
        """Whether it is short enough, too."""
        return (
            self.covers(effect)
            and isinstance(effect, SilenceCreate)
            and MINUTES.fullmatch(effect.minutes) is not None
            and 5 <= int(effect.minutes) <= self.max_minutes
        )
