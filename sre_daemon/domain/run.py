"""An agent run and the tool calls it made, as recorded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class RunOutcome(StrEnum):
    """How a run ended."""

    RUNNING = "running"
    DIAGNOSED = "diagnosed"
    INCONCLUSIVE = "inconclusive"
    ANSWERED = "answered"  # a follow-up
    TIMEOUT = "timeout"
    LIMIT = "limit"
    ERROR = "error"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run cost. Tokens are counted by the API; the engine without a model has none."""

    turns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """One investigation, or a follow-up on it. `session` is what continues it; see agent/base.py."""

    id: str
    incident_id: str
    engine: str
    model: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: RunOutcome = RunOutcome.RUNNING
    usage: Usage = field(default_factory=Usage)
    error: str = ""
    session: str = ""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One tool call: `call` is the name the tool server gave it ("c3"), unique within the run."""

    run_id: str
    call: str
    tool: str
    arguments: Mapping[str, object]
    output: str
    is_error: bool
    seconds: float
    at: datetime
