"""The policy file's language, as strict models. What is not built yet is refused, never ignored.

Every list is literal: no wildcard can name a file, a key or a service.
"""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from sre_daemon.domain.effect import (
    ConfigSet,
    Effect,
    PostmortemWrite,
    ServiceRedeploy,
    ServiceRestart,
)
from sre_daemon.policy.matchers import MAX_VALUE, Matcher, Operator, compile_regex, parse
from sre_daemon.settings import Duration

NOT_BUILT = {
    "time_intervals": "time windows",
    "active_time_intervals": "time windows",
    "guards": "guards",
    "approvers": "approvals",
    "deterministic": "the choice of the engine by policy",
}
SERVICE = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"
INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,9})?", re.ASCII)


class Part(BaseModel):
    """A frozen part of the file that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def refuse_what_is_not_built(cls, data: Any) -> Any:
        """Say what is missing instead of calling the key unknown."""
        if isinstance(data, dict):
            for key, what in NOT_BUILT.items():
                if key in data and key not in cls.model_fields:
                    raise ValueError(
                        f"{key}: this version does not have {what} yet, and a policy that relies "
                        "on them is refused instead of being followed without them"
                    )
        return data


class Value(Part):
    """What the new value may be, as text in the file."""

    type: Literal["integer", "number", "boolean", "string"]
    """How the text is read."""
    min: float | None = Field(default=None, allow_inf_nan=False)
    """Smallest value, included."""
    max: float | None = Field(default=None, allow_inf_nan=False)
    """Largest value, included."""
    enum: tuple[str, ...] | None = None
    """The only texts that are allowed."""
    pattern: str | None = Field(default=None, max_length=256)
    """The whole text must match this expression."""

    @model_validator(mode="after")
    def bounded(self) -> "Value":
        """No value may be unbounded."""
        numeric = self.type in {"integer", "number"}
        if numeric and self.enum is None and (self.min is None or self.max is None):
            raise ValueError(f"an {self.type} needs min and max, or enum")
        if not numeric and (self.min is not None or self.max is not None):
            raise ValueError(f"min and max make no sense for a {self.type}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is greater than max, so nothing is allowed")
        if self.type == "string" and self.enum is None and self.pattern is None:
            raise ValueError("a string needs enum or pattern")
        if self.pattern is not None:
            compile_regex(self.pattern)
        return self

    def allows(self, text: str) -> bool:
        """Whether this text is within the bounds."""
        if self.enum is not None and text not in self.enum:
            return False
        if self.pattern is not None and (
            len(text) > MAX_VALUE or compile_regex(self.pattern).fullmatch(text) is None
        ):
            return False
        if self.type == "boolean":
            return text in {"true", "false"}
        if self.type == "string":
            return text.isprintable()
        form = INTEGER if self.type == "integer" else NUMBER
        if form.fullmatch(text) is None:
            return False
        # An integer beyond 2**53 would be rounded, perhaps into the bounds.
        number = int(text) if self.type == "integer" else float(text)
        return (self.min is None or number >= self.min) and (self.max is None or number <= self.max)


class AllowConfigSet(Part):
    """One key of one file may be set."""

    effect: Literal["config.set"]
    path: str
    """Below config/, literally."""
    key: str = Field(min_length=1, max_length=256, pattern=r"^[^\s*?\[\]]+$")
    """Literally."""
    value: Value
    """Bounds of the new value."""

    @field_validator("path")
    @classmethod
    def below_config(cls, path: str) -> str:
        """Only plain paths below config/."""
        parts = path.split("/")
        plain = re.fullmatch(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+", path, re.ASCII)
        if plain is None or parts[0] != "config" or {".", ".."} & set(parts):
            raise ValueError("must be a plain path below config/, such as config/api.env")
        return path

    def covers(self, effect: Effect) -> bool:
        """Whether it is about the same file and key."""
        return isinstance(effect, ConfigSet) and (effect.path, effect.key) == (self.path, self.key)

    def allows(self, effect: Effect) -> bool:
        """Whether the value is within the bounds too."""
        return (
            self.covers(effect)
            and isinstance(effect, ConfigSet)
            and self.value.allows(effect.after)
        )


class AllowService(Part):
    """One service may be restarted or redeployed."""

    effect: Literal["service.restart", "service.redeploy"]
    service: str = Field(pattern=SERVICE)
    """Literally."""

    def covers(self, effect: Effect) -> bool:
        """Whether it is this effect on this service."""
        return (
            isinstance(effect, ServiceRestart | ServiceRedeploy)
            and effect.kind == self.effect
            and effect.service == self.service
        )

    def allows(self, effect: Effect) -> bool:
        """The same: there is no value to bound."""
        return self.covers(effect)


class AllowPostmortem(Part):
    """A post-mortem may be written by the tool server."""

    effect: Literal["postmortem.write"]

    def covers(self, effect: Effect) -> bool:
        """Whether it is this effect."""
        return isinstance(effect, PostmortemWrite)

    def allows(self, effect: Effect) -> bool:
        """The same."""
        return self.covers(effect)


Allow = Annotated[AllowConfigSet | AllowService | AllowPostmortem, Field(discriminator="effect")]


class Require(Part):
    """What the diagnosis must bring."""

    evidence: bool = True
    """Every piece of evidence was found in the recorded tool output, and there is some."""
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
        """A blank condition would be an error at the worst moment."""
        if any(not query.strip() or len(query) > 2000 for query in queries):
            raise ValueError("a condition must be a PromQL expression of up to 2,000 characters")
        return queries

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
        """Limits are counted over the last two days."""
        if cooldown > timedelta(hours=24):
            raise ValueError("a cool-down can be 24h at most")
        return cooldown


class Rule(Part):
    """One policy: for these alerts, these effects, proven like this."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    """Shown in verdicts and metrics."""
    matchers: tuple[str, ...] = Field(min_length=1)
    """Alertmanager matchers; all must match. One of them must be alertname="…"."""
    autonomy: Literal["auto"] = "auto"
    """`ask` and `shadow` are not built yet."""
    allow: tuple[Allow, ...] = Field(min_length=1)
    """The only effects that may be applied."""
    require: Require = Require()
    """What the diagnosis must bring."""
    verify: Verify = Verify()
    """What proves the repair."""
    on_failure: Literal["rollback", "escalate"] = "rollback"
    """`rollback` takes the change back first; a person is told in either case."""
    limits: Limits = Limits()
    """How much this policy may do."""

    _parsed: tuple[Matcher, ...] = PrivateAttr(default=())

    @field_validator("autonomy", mode="before")
    @classmethod
    def only_auto(cls, value: object) -> object:
        """Say what is missing."""
        if value in {"ask", "shadow"}:
            raise ValueError(
                f"{value}: this version does not have approvals and shadow runs yet; use auto, "
                "or set mode: suggest for the whole file"
            )
        return value

    @field_validator("matchers")
    @classmethod
    def readable(cls, matchers: tuple[str, ...]) -> tuple[str, ...]:
        """Each must parse, and the alert must be named."""
        parsed = [matcher for text in matchers for matcher in parse(text)]
        named = [m for m in parsed if m.name == "alertname" and m.operator is Operator.EQUAL]
        if not any(m.value for m in named):
            raise ValueError('one matcher must name the alert: alertname="…"')
        return matchers

    def model_post_init(self, _: object) -> None:
        """Parse once; matching is asked for at every decision."""
        self._parsed = tuple(matcher for text in self.matchers for matcher in parse(text))

    @property
    def parsed(self) -> tuple[Matcher, ...]:
        """The matchers, read."""
        return self._parsed


class PolicyDocument(Part):
    """The whole file."""

    version: Literal[1]
    """Of the language."""
    mode: Literal["observe", "suggest", "act"] = "observe"
    """A ceiling over everything below; only `act` changes anything."""
    policies: tuple[Rule, ...] = ()
    """In order: the first that matches decides."""

    @field_validator("policies")
    @classmethod
    def distinct_names(cls, policies: tuple[Rule, ...]) -> tuple[Rule, ...]:
        """Limits and metrics are kept by name."""
        names = [rule.name for rule in policies]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"two policies have the name {', '.join(sorted(twice))}")
        return policies
