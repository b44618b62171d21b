"""Who may write: the guardrails on values first, then the gate that the daemon holds."""

from mcp_tools.guard.gate import GateGuard, Guard, RefuseAll
from mcp_tools.guard.guardrails import Guardrails

__all__ = ["GateGuard", "Guard", "Guardrails", "RefuseAll"]
