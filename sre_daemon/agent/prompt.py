"""The prompts: fixed instructions first, then the request as fenced data.

System prompts have no variable part, so that they stay cached from run to run.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from string import Template

from sre_daemon.agent.base import FollowUp, Request
from sre_daemon.agent.text import Fence
from sre_daemon.domain.alert import Alert

PROMPTS = Path(__file__).parent / "prompts"
SYSTEM = PROMPTS / "system.md"
FOLLOW_UP_SYSTEM = PROMPTS / "follow_up_system.md"
MAX_ALERTS = 20
VALUE_CHARS = 500
FACT_CHARS = 6000
ALERT_CHARS = 4000


def build(request: Request, fence: Fence | None = None) -> str:
    """The first user message of the run."""
    fence = fence or Fence()
    return _filled(
        "investigate.md",
        marker=fence.marker,
        question=_question(request, fence),
        alerts=_alerts(request, fence),
        facts=_facts(request.facts, fence),
    )


def follow_up(question: FollowUp, fence: Fence | None = None) -> str:
    """The message of a follow-up; the facts are for whoever cannot continue the session."""
    fence = fence or Fence()
    return _filled(
        "follow_up.md",
        marker=fence.marker,
        facts=_facts(question.facts, fence),
        question=fence.wrap("question", question.question),
    )


def _filled(name: str, **values: str) -> str:
    template = Template((PROMPTS / name).read_text(encoding="utf-8"))
    # One pass of substitution: a placeholder inside foreign text is never looked at again.
    return template.substitute(values).strip() + "\n"


def _facts(facts: Mapping[str, str], fence: Fence) -> str:
    return "\n\n".join(fence.wrap(title, text, FACT_CHARS) for title, text in facts.items())


def _question(request: Request, fence: Fence) -> str:
    if not request.question:
        return ""
    return "A person asks:\n\n" + fence.wrap("question", request.question) + "\n"


def _alerts(request: Request, fence: Fence) -> str:
    if not request.alerts:
        return ""
    shown = [
        fence.wrap(f"alert {number}", _alert(alert), ALERT_CHARS)
        for number, alert in enumerate(request.alerts[:MAX_ALERTS], start=1)
    ]
    left = len(request.alerts) - len(shown)
    if left:
        shown.append(f"There are {left} more alerts in this incident; get_alerts lists them.")
    return "The alerts of the incident:\n\n" + "\n\n".join(shown) + "\n"


def _alert(alert: Alert) -> str:
    fields = {
        "alert": alert.name,
        "status": alert.status.value,
        "since": alert.starts_at.isoformat(),
        "labels": _capped(alert.labels),
        "annotations": _capped(alert.annotations),
    }
    return json.dumps(fields, ensure_ascii=False, indent=1)


def _capped(values: Mapping[str, str]) -> dict[str, str]:
    return {key[:VALUE_CHARS]: value[:VALUE_CHARS] for key, value in values.items()}
