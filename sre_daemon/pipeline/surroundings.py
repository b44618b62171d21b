"""What code can know about an alert in a second, handed to the investigator as data."""

from collections.abc import Mapping
from typing import Protocol

from sre_daemon.domain.notification import StoredAlert
from sre_daemon.observe import RuleInfo


class Rules(Protocol):
    """Lists alerting rules."""

    async def rules(self) -> list[RuleInfo]:
        """Raises TargetUnavailable."""
        ...


class RuleFacts:
    """The expressions behind the alerts of an incident."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    async def facts(self, alerts: list[StoredAlert]) -> Mapping[str, str]:
        """Title to text."""
        names = {item.alert.name for item in alerts}
        found = [rule for rule in await self._rules.rules() if rule.name in names]
        if not found:
            return {}
        return {"Alerting rules": "\n".join(f"{rule.name}: {rule.query}" for rule in found)}
