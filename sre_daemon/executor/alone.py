"""The gate of a tool server without a daemon: the policy decides by the alerts that fire now.

There is no incident, no diagnosis and nobody to ask, so only what a policy lets happen alone is
allowed, and every answer is told to whoever started it. What was done is remembered for as long as
this lives.
"""

import asyncio
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from sre_daemon.clock import Clock
from sre_daemon.domain.alert import Alert
from sre_daemon.domain.effect import Effect, EffectInvalid, from_json
from sre_daemon.domain.verdict import REASONS, Reason
from sre_daemon.errors import PolicyFileError, TargetUnavailable
from sre_daemon.executor.gate import MAX_REQUEST, Answer
from sre_daemon.executor.guardrails import GuardrailFile
from sre_daemon.policy.decide import Question, decide_effect, match
from sre_daemon.policy.file import Policy
from sre_daemon.store.base import Acted

# As far back as any limit of a policy can look.
MEMORY = timedelta(hours=24)


class Sees(Protocol):
    """What fires now, and what guards say."""

    async def audible(self) -> Sequence[Alert]:
        """Every alert that fires and that nobody silenced; raises TargetUnavailable."""
        ...

    async def holds(self, query: str) -> bool | None:
        """Whether a guard holds now, None when that is unknown; raises TargetUnavailable."""
        ...


class PolicySource(Protocol):
    """The policy as it is on disk now."""

    def read(self) -> Policy | None:
        """None when there is no policy file; raises PolicyFileError when it cannot be used."""
        ...


class AloneGate:
    """Answers on a socket whoever has the token; `told` hears every answer."""

    def __init__(
        self,
        token: str,
        policy: PolicySource,
        guardrails: GuardrailFile,
        sees: Sees,
        clock: Clock,
        told: Callable[[str], None],
    ) -> None:
        self._token = token
        self._policy = policy
        self._guardrails = guardrails
        self._sees = sees
        self._clock = clock
        self._told = told
        self._acted: list[Acted] = []
        # Two questions at once must not both see the same limit as not spent.
        self._turn = asyncio.Lock()

    async def listen(self, socket: Path) -> asyncio.Server:
        """Answer on this socket, which lies in a folder of this user alone."""
        return await asyncio.start_unix_server(self._serve, path=socket, limit=MAX_REQUEST)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self.answer(await reader.readline())
            reply = {"allow": answer.allow, "reason": answer.reason, "message": answer.message}
            writer.write(json.dumps(reply).encode() + b"\n")
            await writer.drain()
        except (ConnectionError, ValueError) as failure:
            # The tool server takes silence for a refusal.
            self._told(f"dropped: {failure}")
        finally:
            writer.close()

    async def answer(self, line: bytes) -> Answer:
        """Decide one request."""
        try:
            request = json.loads(line)
            token, wire = request["token"], request["effects"]
            effects = [from_json(item) for item in wire]
            known = hmac.compare_digest(str(token).encode(), self._token.encode())
        except (ValueError, KeyError, TypeError, RecursionError, EffectInvalid):
            return Answer(Reason.EFFECT_NOT_ALLOWED, "the request cannot be read")
        if not known or not effects:
            return Answer(Reason.UNKNOWN_TOKEN, REASONS[Reason.UNKNOWN_TOKEN])
        async with self._turn:
            found = await self._decided(effects)
        what = "; ".join(effect.describe() for effect in effects)
        self._told(f"{'allowed' if found.allow else 'refused'}: {what} ({found.message})")
        return found

    async def _decided(self, effects: Sequence[Effect]) -> Answer:
        if complaint := self._guardrails.complaint(effects):
            return Answer(Reason.GUARDRAIL, complaint)
        try:
            policy = self._policy.read()
            alerts = await self._sees.audible()
            best = Answer(Reason.ALERT_NOT_FIRING, "no alert fires that a policy is about")
            for alert in alerts:
                rule = match(policy, alert.labels)
                if rule is None:
                    continue
                guards = {query: await self._sees.holds(query) for query in rule.guard_queries}
                best = self._about(policy, alert, effects, guards)
                if best.allow:
                    break
        except PolicyFileError as failure:
            return Answer(Reason.NO_POLICY, failure.reason)
        except TargetUnavailable as failure:
            return Answer(Reason.NO_DATA, failure.reason)
        return best

    def _about(
        self,
        policy: Policy | None,
        alert: Alert,
        effects: Sequence[Effect],
        guards: Mapping[str, bool | None],
    ) -> Answer:
        """All of the effects for one alert, or none."""
        now = self._clock.now()
        self._acted = [item for item in self._acted if now - item.at < MEMORY]
        rule = match(policy, alert.labels)
        for effect in effects:
            if rule is not None and self._made(alert, effect) >= rule.limits.attempts_per_incident:
                return Answer(Reason.ATTEMPTS_SPENT, f"{effect.target} was changed for this alert")
            question = Question(
                alerts=(alert.labels,),
                effects=(effect,),
                at=now,
                incident_id=alert.identity,
                acted=tuple(self._acted),
                guards=guards,
            )
            verdict = decide_effect(policy, question, effect)
            if not verdict.allowed:
                return Answer(verdict.reason, verdict.message)
        self._acted += [
            self._act(alert, effect, rule.name if rule else "", now) for effect in effects
        ]
        return Answer(Reason.ALLOWED, f"because {alert.labels.get('alertname')} fires")

    def _made(self, alert: Alert, effect: Effect) -> int:
        """How often the target was changed for this alert."""
        return sum(
            item.incident_id == alert.identity and effect.target in item.targets
            for item in self._acted
        )

    def _act(self, alert: Alert, effect: Effect, rule: str, at: datetime) -> Acted:
        return Acted(alert.identity, rule, (effect.target,), at, active=False, labels=alert.labels)
