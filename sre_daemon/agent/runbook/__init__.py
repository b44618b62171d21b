"""The engine without a model: runbook files, their machine steps, and the findings they lead to."""

from sre_daemon.agent.runbook.engine import RunbookInvestigator
from sre_daemon.agent.runbook.file import Runbook, load, read

__all__ = ["Runbook", "RunbookInvestigator", "load", "read"]
