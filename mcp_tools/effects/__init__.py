"""What a write means: the closed vocabulary of effects, and how edits and commands are read as such."""

from mcp_tools.effects.outward import (
    ConfluenceCreate,
    PagerDutyCreate,
    PagerDutyUpdate,
    SilenceCreate,
)
from mcp_tools.effects.wire import (
    ConfigSet,
    Effect,
    McpCall,
    PostmortemWrite,
    ServiceRedeploy,
    ServiceRestart,
    from_json,
    to_json,
)

__all__ = [
    "ConfigSet",
    "ConfluenceCreate",
    "Effect",
    "McpCall",
    "PagerDutyCreate",
    "PagerDutyUpdate",
    "PostmortemWrite",
    "ServiceRedeploy",
    "ServiceRestart",
    "SilenceCreate",
    "from_json",
    "to_json",
]
