"""Every error the daemon raises on purpose.

    DaemonError(reason, hint)              retryable says whether the same call may succeed later
      ConfigError                          exit code 2; names the file and the place in it
        PolicyFileError                    the policy file; RunbookError: a runbook
      IntakeError
        PayloadInvalid (400)  Unauthorized (401)  PayloadTooLarge (413)
      StoreError
        StoreUnavailable (retry)  StoreConflict (reload, retry)  MigrationFailed
      AgentError
        AgentUnavailable (retry)  AgentTimeout (retry)  AgentLimitReached  AgentOutputInvalid
      ToolError
        ToolServerUnavailable (retry)  ToolFailed  ToolRefused
      TargetError
        TargetUnavailable (retry)          Prometheus, Alertmanager: no answer, or one we cannot read
      NotifyError (retry)
        NotifyRefused                      the same message will never be taken
      WrongState (409)                     a person asks for what the incident's state does not allow
      InvalidTransition                    a bug; caught only at the top

The class says where, `retryable` says what to do, `hint` tells the person on call the next step.
A "no" of the policy is a verdict (domain/verdict.py), never an error.
"""

from enum import StrEnum


class FaultKind(StrEnum):
    """Why an agent run failed: one word for log, metric, breaker and screen."""

    AUTH = "auth"  # 401
    FORBIDDEN = "forbidden"  # 403
    UNKNOWN_MODEL = "unknown_model"  # 404
    CREDIT = "credit"  # 402
    REQUEST = "request"  # 400
    RATE_LIMIT = "rate_limit"  # 429
    SERVER = "server"  # 5xx
    OVERLOADED = "overloaded"  # 529
    NO_ANSWER = "no_answer"  # refused, cut, or not the protocol
    SILENT = "silent"  # nothing heard for too long
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"  # 413
    CONTEXT = "context"
    LIMIT = "limit"  # turns, tokens, dollars or disk of the run
    REFUSAL = "refusal"
    INVALID = "invalid"  # no diagnosis that can be read
    COMMAND_LINE = "command_line"  # crashed, killed or missing
    TOOLS = "tools"  # the tool server
    MACHINE = "machine"  # folders and programs of this machine
    BUDGET = "budget"  # not asked: no money left
    BREAKER = "breaker"  # not asked: it has just failed
    OTHER = "other"


class DaemonError(Exception):
    """Root of the tree: a reason in one sentence and what to do next."""

    retryable = False

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.reason} ({self.hint})" if self.hint else self.reason


class ConfigError(DaemonError):
    """A file the operator wrote cannot be used as it is; `reason` starts with `FILE:LINE: KEY`."""


class PolicyFileError(ConfigError):
    """The policy file is wrong, or asks for something that this version does not do."""


class RunbookError(ConfigError):
    """A runbook's front matter or one of its machine steps is wrong."""


class IntakeError(DaemonError):
    """A notification is not accepted; `status` is the HTTP code that says so."""

    status = 400


class PayloadInvalid(IntakeError):
    """The body can never succeed: not JSON, not a version 4 notification."""


class Unauthorized(IntakeError):
    """No token, or a wrong one."""

    status = 401


class PayloadTooLarge(IntakeError):
    """The body is above the cap of the receiver."""

    status = 413


class StoreError(DaemonError):
    """The store did not do what it was asked to."""


class StoreUnavailable(StoreError):
    """Locked, full, closed or unreachable: the caller answers 503 or tries again."""

    retryable = True


class StoreConflict(StoreError):
    """Somebody else changed the incident, or our lease on it is gone: nothing was written."""

    retryable = True


class MigrationFailed(StoreError):
    """The schema cannot be brought to this version."""


class AgentError(DaemonError):
    """An investigation did not end in a diagnosis; `kind` says in a word why."""

    kind = FaultKind.OTHER

    def __init__(self, reason: str, hint: str = "", kind: FaultKind | None = None) -> None:
        super().__init__(reason, hint)
        if kind is not None:
            self.kind = kind


class AgentUnavailable(AgentError):
    """The model, its API or its command line does not work now."""

    retryable = True


class AgentTimeout(AgentError):
    """The run was cut at its deadline."""

    kind = FaultKind.TIMEOUT
    retryable = True


class AgentLimitReached(AgentError):
    """The run used up its turns, tool calls or money."""

    kind = FaultKind.LIMIT


class AgentOutputInvalid(AgentError):
    """The run ended without a diagnosis that can be read."""

    kind = FaultKind.INVALID


class ToolError(DaemonError):
    """A call of the tool server did not succeed."""


class ToolServerUnavailable(ToolError):
    """The tool server did not start or went away."""

    retryable = True


class ToolFailed(ToolError):
    """The tool ran and failed."""


class ToolRefused(ToolError):
    """The tool server or the gate refused the call; nothing was changed."""


class TargetError(DaemonError):
    """A system that we observe did not answer usefully."""


class TargetUnavailable(TargetError):
    """No answer, an error, or an answer we cannot read."""

    retryable = True


class NotifyError(DaemonError):
    """A message did not reach its channel; `retry_after` is how many seconds it asked us to wait."""

    retryable = True

    def __init__(self, reason: str, hint: str = "", retry_after: float = 0.0) -> None:
        super().__init__(reason, hint)
        self.retry_after = retry_after


class NotifyRefused(NotifyError):
    """The channel does not want this message: sending it again would change nothing."""

    retryable = False


class WrongState(DaemonError):
    """What a person asked for does not fit the incident as it is now."""


class InvalidTransition(DaemonError):
    """The lifecycle tables do not allow this event in this state."""
