"""The form of the diagnosis that a model must deliver, and its strict reading.

Nothing is repaired or guessed: an answer with one wrong field, or one proposed effect outside the
vocabulary, is no diagnosis.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sre_daemon.agent.text import clean
from sre_daemon.domain.diagnosis import Diagnosis, Evidence
from sre_daemon.domain.effect import EffectInvalid, from_json
from sre_daemon.errors import AgentOutputInvalid

Sentence = Annotated[str, Field(max_length=2000)]
Name = Annotated[str, Field(min_length=1, max_length=300)]


class Part(BaseModel):
    """A strict object: no unknown fields, no conversion between types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class EvidenceAnswer(Part):
    """One claim and the tool call that shows it."""

    claim: Annotated[str, Field(min_length=1, max_length=2000)]
    call: str = Field(max_length=20, description="name of the tool call, e.g. c3")
    quote: str = Field(
        min_length=1, max_length=2000, description="copied letter by letter from the call's result"
    )


class ConfigSetAnswer(Part):
    """Change one key of one configuration file."""

    effect: Literal["config.set"]
    path: Name
    key: Name
    before: str = Field(max_length=2000, description="the value in the file now")
    after: Annotated[str, Field(max_length=2000)]


class RestartAnswer(Part):
    """Stop and start a service as it is."""

    effect: Literal["service.restart"]
    service: Name


class RedeployAnswer(Part):
    """Recreate a service, so that it reads its configuration again."""

    effect: Literal["service.redeploy"]
    service: Name


EffectAnswer = Annotated[
    ConfigSetAnswer | RestartAnswer | RedeployAnswer, Field(discriminator="effect")
]


class DiagnosisAnswer(Part):
    """The result of an investigation."""

    conclusive: bool = Field(description="false when the cause was not shown")
    root_cause: str = Field(max_length=4000)
    confidence: float = Field(ge=0, le=1, allow_inf_nan=False)
    evidence: list[EvidenceAnswer] = Field(max_length=50)
    contributing_factors: list[Sentence] = Field(default_factory=list, max_length=50)
    affected_services: list[Sentence] = Field(default_factory=list, max_length=50)
    ruled_out: list[Sentence] = Field(default_factory=list, max_length=50)
    missing: list[Sentence] = Field(
        default_factory=list, max_length=50, description="what would be needed to conclude"
    )
    proposed: list[EffectAnswer] = Field(max_length=20)


def json_schema() -> dict[str, Any]:
    """The JSON schema that the model's answer is held to."""
    schema = DiagnosisAnswer.model_json_schema()
    # An OpenAPI word that strict readers of JSON schemas, such as the command line, refuse.
    del schema["properties"]["proposed"]["items"]["discriminator"]
    return schema


def diagnosis(answer: object) -> Diagnosis:
    """Read an answer.

    Raises:
        AgentOutputInvalid: naming the first wrong field.
    """
    try:
        data = DiagnosisAnswer.model_validate(answer)
    except ValidationError as failure:
        wrong = failure.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, wrong["loc"])) or "the answer"
        raise _invalid(place, wrong["msg"]) from None
    if data.conclusive and not data.root_cause.strip():
        raise _invalid("root_cause", "is empty, though the diagnosis claims to be conclusive")
    try:
        proposed = tuple(from_json(effect.model_dump()) for effect in data.proposed)
    except EffectInvalid as failure:
        raise _invalid("proposed", failure.reason) from failure
    return Diagnosis(
        conclusive=data.conclusive,
        root_cause=clean(data.root_cause),
        confidence=data.confidence,
        # A quote is compared with the record, so it stays as it is.
        evidence=tuple(Evidence(clean(e.claim), e.call, e.quote) for e in data.evidence),
        contributing_factors=_clean(data.contributing_factors),
        affected_services=_clean(data.affected_services),
        ruled_out=_clean(data.ruled_out),
        missing=_clean(data.missing),
        proposed=proposed,
    )


def _clean(sentences: list[str]) -> tuple[str, ...]:
    return tuple(clean(sentence) for sentence in sentences)


def _invalid(place: str, problem: str) -> AgentOutputInvalid:
    return AgentOutputInvalid(
        f"the investigator's answer is not a diagnosis: {place}: {problem}",
        "read the transcript of the run and investigate by hand",
    )
