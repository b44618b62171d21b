"""The digest that comes by itself."""

from datetime import time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from sre_daemon.settings.base import Duration, Group

Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
DAYS: tuple[Day, ...] = (
    *("monday", "tuesday", "wednesday", "thursday"),
    *("friday", "saturday", "sunday"),
)


class DigestSettings(Group):
    """The digest that comes by itself, once in the whole fleet."""

    channels: tuple[str, ...] = ()
    """Names of channels of kind `slack`, `email` or `webhook`; none: it does not come by itself."""
    at: str = Field(default="08:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    """When, on the clock of the zone."""
    days: tuple[Day, ...] = Field(default=DAYS, min_length=1)
    """On which days."""
    zone: str = "UTC"
    """The time zone of the team, such as Europe/Berlin."""
    period: Duration = timedelta(days=1)
    """What it looks back on; 7d for a weekly one."""

    @field_validator("zone")
    @classmethod
    def known_zone(cls, zone: str) -> str:
        """A zone that is not known would be found out only in the morning."""
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"there is no time zone {zone!r}") from None
        return zone

    @property
    def clock(self) -> time:
        """`at` as a time."""
        return time.fromisoformat(self.at)
