"""How a run of the Claude command line ended, and which error that is.

Values in, errors out: the SDK's own types stay in agent/claude.py.
"""

from dataclasses import dataclass

from sre_daemon.agent.text import clean
from sre_daemon.errors import (
    AgentError,
    AgentLimitReached,
    AgentOutputInvalid,
    AgentUnavailable,
    FaultKind,
)


@dataclass(frozen=True, slots=True)
class Ending:
    """The last message of a run. `status` is the HTTP status of the API call that failed."""

    subtype: str
    is_error: bool
    terminal_reason: str | None
    stop_reason: str | None
    status: int | None
    text: str
    answered: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """A row of the tables below."""

    error: type[AgentError]
    kind: FaultKind
    reason: str
    hint: str
    retryable: bool


KEY = "check ANTHROPIC_API_KEY and restart the daemon"
LATER = "it works again by itself when the API does; see https://status.anthropic.com"
BY_STATUS = {
    400: Fault(
        AgentUnavailable,
        FaultKind.REQUEST,
        "the API calls the request invalid",
        "see the message",
        False,
    ),
    401: Fault(AgentUnavailable, FaultKind.AUTH, "the API refuses the key", KEY, False),
    402: Fault(
        AgentUnavailable, FaultKind.CREDIT, "the account has no credit", "check the billing", False
    ),
    403: Fault(AgentUnavailable, FaultKind.FORBIDDEN, "the key may not use this model", KEY, False),
    404: Fault(
        AgentUnavailable,
        FaultKind.UNKNOWN_MODEL,
        "the API does not know the model",
        "check agent.model",
        False,
    ),
    413: Fault(
        AgentLimitReached, FaultKind.TOO_LARGE, "the request is too large for the API", "", False
    ),
    429: Fault(
        AgentUnavailable,
        FaultKind.RATE_LIMIT,
        "the API's rate or spend limit is reached",
        LATER,
        True,
    ),
    529: Fault(AgentUnavailable, FaultKind.OVERLOADED, "the API is overloaded", LATER, True),
}
SERVER_ERROR = Fault(AgentUnavailable, FaultKind.SERVER, "the API fails", LATER, True)
NO_ANSWER = Fault(
    AgentUnavailable,
    FaultKind.NO_ANSWER,
    "the API gave no usable answer",
    "check the network and ANTHROPIC_BASE_URL",
    True,
)
BY_SUBTYPE = {
    "error_max_turns": Fault(
        AgentLimitReached,
        FaultKind.LIMIT,
        "the run used up its turns",
        "raise agent.max_turns",
        False,
    ),
    "error_max_budget_usd": Fault(
        AgentLimitReached,
        FaultKind.LIMIT,
        "the run used up its money",
        "raise agent.max_budget_usd",
        False,
    ),
    "error_max_structured_output_retries": Fault(
        AgentOutputInvalid,
        FaultKind.INVALID,
        "the model never delivered a valid diagnosis",
        "",
        False,
    ),
}
BY_TERMINAL_REASON = {
    "prompt_too_long": Fault(
        AgentLimitReached, FaultKind.CONTEXT, "the model's context is full", "", False
    ),
    "blocking_limit": Fault(
        AgentLimitReached, FaultKind.CONTEXT, "the model's context is full", "", False
    ),
}
REFUSAL = Fault(
    AgentOutputInvalid,
    FaultKind.REFUSAL,
    "the model refused to answer",
    "investigate by hand",
    False,
)
NO_DIAGNOSIS = Fault(
    AgentOutputInvalid,
    FaultKind.INVALID,
    "the run ended without a diagnosis",
    "read its transcript",
    False,
)
OTHER = Fault(AgentUnavailable, FaultKind.OTHER, "the run failed", "read its transcript", True)


def failure(ending: Ending) -> AgentError | None:
    """The error of a run that brought no diagnosis, or None for a success.

    `subtype` alone says nothing: a refused key also ends with "success".
    """
    completed = ending.subtype == "success" and ending.terminal_reason == "completed"
    if not ending.is_error and completed and ending.answered:
        return None
    return error(_fault(ending), ending.text)


def error(fault: Fault, said: str = "") -> AgentError:
    """The error of a row; `said` is what the other side said about it."""
    detail = clean(said, 300).strip()
    made = fault.error(
        f"{fault.reason}: {detail}" if detail else fault.reason, fault.hint, fault.kind
    )
    made.retryable = fault.retryable
    return made


def _fault(ending: Ending) -> Fault:
    by_name = BY_SUBTYPE.get(ending.subtype) or BY_TERMINAL_REASON.get(ending.terminal_reason or "")
    if by_name:
        return by_name
    if ending.status is not None:
        return BY_STATUS.get(ending.status, SERVER_ERROR if ending.status >= 500 else OTHER)
    if ending.stop_reason == "refusal":
        return REFUSAL
    if not ending.is_error:
        return NO_DIAGNOSIS
    broken = ending.terminal_reason == "api_error" or ending.subtype == "error_during_execution"
    return NO_ANSWER if broken else OTHER
