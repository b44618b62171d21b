"""The investigator: which engine and model, what a run may use, and what all runs may cost."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from sre_daemon.settings.base import Duration, Group


class LimitSettings(Group):
    """The most in one sliding window; without a value there is no limit."""

    usd: float | None = Field(default=None, ge=0)
    """Dollars."""
    runs: int | None = Field(default=None, ge=0)
    """Runs that ask the model."""


class WindowSettings(Group):
    """Limits for an hour, a day, and a month of 30 days."""

    hour: LimitSettings = LimitSettings()
    """The last 60 minutes."""
    day: LimitSettings = LimitSettings()
    """The last 24 hours."""
    month: LimitSettings = LimitSettings()
    """The last 30 days."""


class BudgetSettings(WindowSettings):
    """What all runs together may cost. Near a limit a smaller model is asked, then it may only look
    at the facts, and at the limit the engine without a model investigates; people are told as ever.
    """

    alertname: WindowSettings = WindowSettings()
    """The same for each alert name."""
    team: WindowSettings = WindowSettings()
    """The same for each team."""
    team_label: str = Field(default="team", min_length=1)
    """The label of an alert that names its team."""
    critical_reserve: float = Field(default=0.2, ge=0, le=1)
    """Share of every limit that only critical alerts may use."""
    small_from: float = Field(default=0.8, ge=0, le=1)
    """From this share of a limit on the smaller model is asked."""
    triage_from: float = Field(default=0.95, ge=0, le=1)
    """From this share of a limit on the model may only look at the facts."""


class PriceSettings(Group):
    """Dollars per million tokens."""

    read: float = Field(ge=0)
    """For what the model reads; a cache costs a tenth to read and a quarter more to write."""
    written: float = Field(ge=0)
    """For what it writes."""


class AgentSettings(Group):
    """The investigator."""

    engine: Literal["auto", "claude", "runbook"] = "auto"
    """`auto` is `claude` when ANTHROPIC_API_KEY is set, else `runbook`."""
    model: str = "claude-opus-4-6"
    """Name of the model, as the API knows it."""
    small_model: str | None = None
    """A cheaper model for when money runs short, and for `cheap_first`."""
    cheap_first: bool = False
    """Ask the smaller model first, and the other one only when it finds nothing."""
    max_turns: int = Field(default=30, ge=3, le=200)
    """Model calls per investigation. Near each of these bounds the model is told to conclude."""
    max_tool_calls: int = Field(default=40, ge=1, le=1000)
    """Tool calls per investigation."""
    max_tokens: int = Field(default=600_000, ge=10_000)
    """Tokens read and written per investigation, from a cache or not."""
    max_budget_usd: float = Field(default=2.0, gt=0)
    """Dollars per investigation; checked after each model call, so one call may overshoot."""
    deadline: Duration = timedelta(minutes=10)
    """Wall-clock limit of one investigation."""
    warm: bool = True
    """Keep a session of the agent ready, so that an investigation begins in a tenth of a second
    instead of one and a half; it takes about 200 MB."""
    budget: BudgetSettings = BudgetSettings()
    """What all runs together may cost."""
    prices: dict[str, PriceSettings] = Field(default_factory=dict)
    """Prices of models that the built-in table does not know, or that cost you something else."""
