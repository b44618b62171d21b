"""The investigator."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from sre_daemon.settings.base import Duration, Group


class AgentSettings(Group):
    """The investigator."""

    engine: Literal["auto", "claude", "runbook"] = "auto"
    """`auto` is `claude` when ANTHROPIC_API_KEY is set, else `runbook`."""
    model: str = "claude-opus-4-6"
    """Name of the model, as the API knows it."""
    max_turns: int = Field(default=30, ge=2, le=200)
    """Model calls per investigation."""
    max_budget_usd: float = Field(default=2.0, gt=0)
    """Dollars per investigation; checked after each model call, so one call may overshoot."""
    deadline: Duration = timedelta(minutes=10)
    """Wall-clock limit of one investigation."""
