"""Every failure the tool server reports on purpose.

ToolError(reason, hint)      becomes an isError result: what is wrong, then what to do next
  SettingsError              the server does not start: exit code 2
  TargetUnavailable          Prometheus, Alertmanager or the runtime does not answer
  Refused(code, ...)         a safety rule or the gate said no; nothing was changed
  ServiceFailed              an effect ran and the service did not come up again
"""


class ToolError(Exception):
    """A call did not succeed: one sentence what is wrong, one what to do next."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.reason} {self.hint}".strip()


class SettingsError(ToolError):
    """A file or variable of the operator cannot be used as it is."""


class TargetUnavailable(ToolError):
    """A system that the tools look at does not answer."""


class ServiceFailed(ToolError):
    """A service did not come up after a restart or redeploy; the reason has its last log lines."""


class Refused(ToolError):
    """Nothing was changed, because a rule or the gate forbids it; `code` is the rule's name."""

    def __init__(self, code: str, reason: str, hint: str = "") -> None:
        super().__init__(reason, hint)
        self.code = code

    def __str__(self) -> str:
        return f"Refused ({self.code}): {super().__str__()}"
