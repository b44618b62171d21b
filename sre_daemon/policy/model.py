"""The policy file's language, as strict models: what is not a word of it is refused, never ignored.

Every list is literal: no wildcard can name a file, a key or a service.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, StringConstraints, field_validator, model_validator

from sre_daemon.domain.autonomy import Autonomy
from sre_daemon.policy.allow import Allow
from sre_daemon.policy.intervals import NamedIntervals
from sre_daemon.policy.matchers import Matcher, Operator, parse
from sre_daemon.policy.part import Part
from sre_daemon.settings import Duration

MAX_QUERY = 2000
LONGEST_MEMORY = timedelta(hours=24)

Label = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Role = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,62}$")]
Level = Literal["shadow", "ask", "auto"]


def _queries(queries: Sequence[str]) -> Sequence[str]:
    """A blank query would be an error at the worst moment."""
    if any(not query.strip() or len(query) > MAX_QUERY for query in queries):
        raise ValueError("must be a PromQL expression of up to 2,000 characters")
    return queries


def _within_memory(duration: timedelta) -> timedelta:
    """Limits are counted over the last two days."""
    if duration > LONGEST_MEMORY:
        raise ValueError("can be 24h at most")
    return duration


class Require(Part):
    """What the diagnosis must bring."""

    evidence: bool = True
    """There is evidence, and every piece of it was found in the recorded tool output. Without it a
    repair is at most asked for, whatever stands here."""
    min_confidence: float = Field(default=0.7, ge=0, le=1)
    """The investigator's own confidence, at least."""


class Verify(Part):
    """What proves the repair."""

    alerts_resolved: bool = True
    """All alerts of the incident are inactive in Prometheus."""
    promql: tuple[str, ...] = ()
    """Each must return data, and hold: a comparison that filters, or `bool` that is not 0."""
    hold: Duration = timedelta(seconds=30)
    """How long everything must hold without a gap."""
    within: Duration = timedelta(minutes=5)
    """How long after the last effect the proof may take."""

    @field_validator("promql")
    @classmethod
    def not_blank(cls, queries: tuple[str, ...]) -> tuple[str, ...]:
        """Each must be an expression."""
        return tuple(_queries(queries))

    @model_validator(mode="after")
    def provable(self) -> "Verify":
        """There must be something to prove, and time to prove it in."""
        if not self.alerts_resolved and not self.promql:
            raise ValueError("nothing would be proven: set alerts_resolved or promql")
        if self.hold > self.within:
            raise ValueError("hold is longer than within, so nothing could ever be proven")
        return self


class Limits(Part):
    """How much this policy may do."""

    attempts_per_incident: int = Field(default=1, ge=1, le=5)
    """Repairs begun for one incident."""
    per_hour: int = Field(default=3, ge=1, le=100)
    """Repairs begun under this policy in 60 minutes."""
    cooldown: Duration = timedelta(minutes=15)
    """Shortest time between two incidents' repairs under this policy; at most 24 h."""
    concurrent: int = Field(default=1, ge=1, le=100)
    """Incidents being repaired or proven under this policy at once."""

    @field_validator("cooldown")
    @classmethod
    def within_history(cls, cooldown: timedelta) -> timedelta:
        """What is older is not looked at."""
        return _within_memory(cooldown)


class MinHealthy(Part):
    """So many must stay healthy while one is being changed."""

    promql: str
    """How many are healthy now, such as `count(up{job="api-server"} == 1)`."""
    keep: int = Field(ge=1, le=10_000)
    """There must be at least one more than this before an effect."""

    @field_validator("promql")
    @classmethod
    def not_blank(cls, query: str) -> str:
        """It must be an expression."""
        return _queries([query])[0]

    @property
    def guard(self) -> str:
        """The guard that says it."""
        return f"({self.promql}) > {self.keep}"


class Promotion(Part):
    """How a policy earns more autonomy."""

    to: Literal["ask", "auto"]
    """The highest level that it can earn."""
    after: int = Field(ge=1, le=1000)
    """So many verified successes in a row raise it by one level."""


class Demotion(Part):
    """What a failed proof costs."""

    to: Literal["shadow", "ask"] = "ask"
    """The level after a failed proof, at once; it is never raised by one."""


class Rule(Part):
    """One policy: for these alerts, these effects, proven like this."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    """Shown in verdicts and metrics."""
    matchers: tuple[str, ...] = Field(min_length=1)
    """Alertmanager matchers; all must match. One of them must be alertname="…"."""
    autonomy: Level = "ask"
    """`shadow`: only says what it would have done; `ask`: when a person agrees; `auto`: alone."""
    active_time_intervals: tuple[str, ...] = ()
    """Names of time intervals. At other times `auto` becomes `ask`; without names it never does."""
    promotion: Promotion | None = None
    """How it earns more than `autonomy`; without it the file's level is the highest."""
    demotion: Demotion = Demotion()
    """What a failed proof costs."""
    deterministic: bool = False
    """Only the runbook engine investigates; the diagnosis of a model changes nothing."""
    allow: tuple[Allow, ...] = Field(min_length=1)
    """The only effects that may be applied."""
    guards: tuple[str, ...] = ()
    """PromQL, evaluated immediately before each effect; each must return data, and hold."""
    min_healthy: tuple[MinHealthy, ...] = ()
    """So many must stay healthy while one is being changed; guards, too."""
    require: Require = Require()
    """What the diagnosis must bring."""
    verify: Verify = Verify()
    """What proves the repair."""
    on_failure: Literal["rollback", "escalate"] = "rollback"
    """`rollback` takes the change back first; a person is told in either case."""
    limits: Limits = Limits()
    """How much this policy may do."""
    approvers: tuple[Role, ...] = ()
    """Roles or names, one of which must agree under `ask`; without any, whoever may approve."""

    _parsed: tuple[Matcher, ...] = PrivateAttr(default=())

    @field_validator("matchers")
    @classmethod
    def readable(cls, matchers: tuple[str, ...]) -> tuple[str, ...]:
        """Each must parse, and the alert must be named."""
        parsed = [matcher for text in matchers for matcher in parse(text)]
        named = [m for m in parsed if m.name == "alertname" and m.operator is Operator.EQUAL]
        if not any(m.value for m in named):
            raise ValueError('one matcher must name the alert: alertname="…"')
        return matchers

    @field_validator("guards")
    @classmethod
    def not_blank(cls, guards: tuple[str, ...]) -> tuple[str, ...]:
        """Each must be an expression."""
        return tuple(_queries(guards))

    @model_validator(mode="after")
    def upwards(self) -> "Rule":
        """A promotion leads up, a demotion down."""
        if self.promotion and self.ceiling.rank <= Autonomy(self.autonomy).rank:
            raise ValueError(f"promotion.to must be above autonomy, which is {self.autonomy}")
        return self

    def model_post_init(self, _: object) -> None:
        """Parse once; matching is asked for at every decision."""
        self._parsed = tuple(matcher for text in self.matchers for matcher in parse(text))

    @property
    def parsed(self) -> tuple[Matcher, ...]:
        """The matchers, read."""
        return self._parsed

    @property
    def ceiling(self) -> Autonomy:
        """The most that it can have by its record."""
        return Autonomy(self.promotion.to if self.promotion else self.autonomy)

    @property
    def guard_queries(self) -> tuple[str, ...]:
        """The PromQL of everything that must hold immediately before each effect."""
        return (*self.guards, *(item.guard for item in self.min_healthy))


class Concurrent(Part):
    """Incidents being repaired or proven at once, under all policies together."""

    service: int = Field(default=1, ge=1, le=100)
    """On one service."""
    host: int = Field(default=1, ge=1, le=100)
    """On one host."""
    fleet: int = Field(default=3, ge=1, le=1000)
    """In all."""


class Storm(Part):
    """When so much breaks at once that acting alone rests."""

    incidents: int = Field(default=25, ge=2, le=10_000)
    """So many opened within `within` are a storm."""
    within: Duration = timedelta(minutes=5)
    """See `incidents`; at most 24h."""
    cooldown: Duration = timedelta(minutes=15)
    """How long after a storm nothing is changed; at most 24h."""

    @field_validator("within", "cooldown")
    @classmethod
    def within_history(cls, duration: timedelta) -> timedelta:
        """What is older is not looked at."""
        return _within_memory(duration)


class FleetLimits(Part):
    """How much all policies together may do: the blast radius."""

    changes_per_hour: int = Field(default=20, ge=1, le=1000)
    """Repairs begun in 60 minutes."""
    concurrent: Concurrent = Concurrent()
    """Incidents being repaired or proven at once."""
    target_cooldown: Duration = timedelta(minutes=5)
    """Shortest time between two incidents' changes of the same target; at most 24h."""
    storm: Storm = Storm()
    """When acting rests."""
    service_label: Label = "service"
    """The label of an alert that names its service."""
    host_label: Label = "instance"
    """The label of an alert that names its host; a port is cut off."""

    @field_validator("target_cooldown")
    @classmethod
    def within_history(cls, duration: timedelta) -> timedelta:
        """What is older is not looked at."""
        return _within_memory(duration)


class PolicyDocument(Part):
    """The whole file."""

    version: Literal[1]
    """Of the language."""
    mode: Literal["observe", "suggest", "act"] = "observe"
    """A ceiling over everything below: `observe` makes it `shadow`, `suggest` makes it `ask`."""
    time_intervals: tuple[NamedIntervals, ...] = ()
    """As in Alertmanager; named by `active_time_intervals`."""
    limits: FleetLimits = FleetLimits()
    """How much all policies together may do."""
    policies: tuple[Rule, ...] = ()
    """In order: the first that matches decides."""

    @field_validator("time_intervals")
    @classmethod
    def distinct_intervals(cls, intervals: tuple[NamedIntervals, ...]) -> Sequence[NamedIntervals]:
        """A name must mean one thing."""
        _once("time intervals", [item.name for item in intervals])
        return intervals

    @field_validator("policies")
    @classmethod
    def distinct_names(cls, policies: tuple[Rule, ...]) -> tuple[Rule, ...]:
        """Limits and metrics are kept by name."""
        _once("policies", [rule.name for rule in policies])
        return policies

    @model_validator(mode="after")
    def known_intervals(self) -> "PolicyDocument":
        """A policy must not rely on times that nobody wrote down."""
        known = {item.name for item in self.time_intervals}
        for rule in self.policies:
            for name in rule.active_time_intervals:
                if name not in known:
                    raise ValueError(f"{rule.name}: there is no time interval {name!r}")
        return self


def _once(what: str, names: Sequence[str]) -> None:
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"two {what} have the name {', '.join(sorted(twice))}")
