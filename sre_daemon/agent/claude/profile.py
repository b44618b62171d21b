"""What a run of the command line is given: the operator's choices, the environment, the tools."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sre_daemon.agent.bounds import Bounds
from sre_daemon.agent.claude.workspace import SERVER, Workspace
from sre_daemon.agent.prices import Price, listed, price
from sre_daemon.agent.tools import READ_TOOLS

ANSWER = "StructuredOutput"
PREFIX = f"mcp__{SERVER}__"
ALLOWED = tuple(PREFIX + name for name in READ_TOOLS)
SILENCE_SECONDS = 120.0

ENVIRONMENT: Mapping[str, str] = {
    # The default waits for minutes, for a hanging API an hour; our own queue does the waiting.
    "API_TIMEOUT_MS": "120000",
    "CLAUDE_ENABLE_BYTE_WATCHDOG": "1",
    "CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS": "60000",
    "MCP_TIMEOUT": "10000",
    "MCP_TOOL_TIMEOUT": "60000",
    # Without it: titles made by a second, billed model call, and connections to other hosts.
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
    "CLAUDE_CODE_DISABLE_BUNDLED_SKILLS": "1",
    "CLAUDE_CODE_ATTRIBUTION_HEADER": "0",
    "ENABLE_TOOL_SEARCH": "false",
    "DISABLE_AUTOUPDATER": "1",
}
# Sent often, because a run's process ends with the run.
TELEMETRY: Mapping[str, str] = {
    "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
    "OTEL_METRIC_EXPORT_INTERVAL": "1000",
    "OTEL_LOGS_EXPORT_INTERVAL": "1000",
}
COLLECTOR = "OTEL_EXPORTER_OTLP_ENDPOINT"
# The SDK sets these for its command line.
SDK_VARIABLES = (
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_AGENT_SDK_VERSION",
    "CLAUDE_CODE_SDK_READS_SESSION_STATE",
)


@dataclass(frozen=True, slots=True)
class ClaudeProfile:
    """What the operator chooses; `folder` takes the private folders of the runs. `attached` names
    the reading tools of other people's servers, which our tool server passes on; `collector` is
    where the command line sends its own telemetry, nowhere by default."""

    model: str
    folder: Path
    api_key: str = field(repr=False)
    base_url: str = ""
    bounds: Bounds = field(default_factory=Bounds)
    prices: Mapping[str, Price] = field(default_factory=dict)
    silence_seconds: float = SILENCE_SECONDS
    retries: int = 3
    attached: tuple[str, ...] = ()
    collector: str = ""

    @property
    def allowed(self) -> tuple[str, ...]:
        """Every tool that an investigation may call, and no other may be there."""
        return (*ALLOWED, *(PREFIX + name for name in self.attached))

    @property
    def max_budget_usd(self) -> float | None:
        """For the command line, where its own prices are the right ones: a lock behind the governor's."""
        known = listed(self.model) and self.model not in self.prices
        return self.bounds.dollars if known else None

    def price(self, model: str = "") -> Price:
        """What the model costs."""
        return price(model or self.model, self.prices)

    def environment(self, space: Workspace) -> dict[str, str]:
        """The variables of the command line; it keeps no others."""
        return {
            **ENVIRONMENT,
            **({**TELEMETRY, COLLECTOR: self.collector} if self.collector else {}),
            "CLAUDE_CODE_MAX_RETRIES": str(self.retries),
            "ANTHROPIC_API_KEY": self.api_key,
            **({"ANTHROPIC_BASE_URL": self.base_url} if self.base_url else {}),
            "HOME": str(space.home),
            "CLAUDE_CONFIG_DIR": str(space.home / ".claude"),
            "TMPDIR": str(space.temporary),
            "CLAUDE_CODE_TMPDIR": str(space.temporary),
        }

    @staticmethod
    def variables() -> tuple[str, ...]:
        """The names of everything that `environment` may set, and the SDK."""
        own = ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "HOME", "CLAUDE_CONFIG_DIR")
        folders = ("TMPDIR", "CLAUDE_CODE_TMPDIR", "CLAUDE_CODE_MAX_RETRIES")
        return (*ENVIRONMENT, *TELEMETRY, COLLECTOR, *SDK_VARIABLES, *own, *folders)
