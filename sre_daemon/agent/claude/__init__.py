"""Claude as the investigator: the SDK's bundled command line, one process for one run.

Nothing outside of this package imports the SDK. What its options do was measured, not read in
their names: the model sees the reading tools and nothing else of this machine, and nothing
outlives the run.
"""

from sre_daemon.agent.claude.investigator import ClaudeInvestigator
from sre_daemon.agent.claude.profile import ClaudeProfile

__all__ = ["ClaudeInvestigator", "ClaudeProfile"]
