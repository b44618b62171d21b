"""Runbook files: Markdown with YAML front matter that may carry machine steps and findings.

This module reads and checks them; agent/runbook.py carries them out.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from sre_daemon import documents
from sre_daemon.agent.tools import READ_TOOLS
from sre_daemon.domain.effect import EffectInvalid, from_json
from sre_daemon.errors import RunbookError
from sre_daemon.policy.matchers import Matcher
from sre_daemon.policy.matchers import parse as parse_matchers

SECTIONS = ("Meaning", "Impact", "Diagnosis", "Mitigation")
COMPARISON = re.compile(r"(<=|>=|==|!=|<|>)\s*(-?\d+(?:\.\d+)?)", re.ASCII)
PLACEHOLDER = re.compile(r"\{([a-z0-9_-]+)\.([A-Za-z0-9_.-]+)\}", re.ASCII)

Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=80)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]


class Part(BaseModel):
    """A frozen part of the front matter that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Step(Part):
    """One call of a reading tool."""

    id: Identifier
    tool: Literal[READ_TOOLS]  # type: ignore[valid-type]
    arguments: dict[str, JsonValue] = Field(default_factory=dict)


class Condition(Part):
    """Something that must be true of a step's result, and the claim that it then supports."""

    step: Identifier
    claim: Text
    key: str | None = None
    value: Annotated[str, Field(pattern=rf"^{COMPARISON.pattern}$")] | None = None
    number: bool | None = None
    empty: bool | None = None
    equals: str | None = None
    contains: Annotated[str, Field(min_length=1)] | None = None
    not_contains: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_test(self) -> "Condition":
        tests = ("value", "number", "empty", "equals", "contains", "not_contains")
        given = [name for name in tests if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(tests)}")
        if given[0] in {"number", "equals"} and self.key is None:
            raise ValueError(f"{given[0]} needs the key it is about")
        return self


class Finding(Part):
    """A cause, held when all its conditions hold."""

    id: Identifier
    when: tuple[Condition, ...] = Field(min_length=1)
    root_cause: Text
    confidence: float = Field(ge=0, le=1)
    affected_services: tuple[str, ...] = ()
    contributing_factors: tuple[str, ...] = ()
    ruled_out: tuple[str, ...] = ()
    propose: tuple[dict[str, str], ...] = ()

    @model_validator(mode="after")
    def _known_effects(self) -> "Finding":
        for effect in self.propose:
            try:
                from_json(effect)
            except EffectInvalid as failure:
                raise ValueError(f"propose: {failure}") from None
        return self


class FrontMatter(Part):
    """What stands between the two `---` lines."""

    name: Identifier
    description: Text
    matchers: tuple[str, ...] = Field(min_length=1)
    investigate: tuple[Step, ...] = ()
    findings: tuple[Finding, ...] = ()

    @model_validator(mode="after")
    def _steps_exist(self) -> "FrontMatter":
        ids = [step.id for step in self.investigate]
        if len(ids) != len(set(ids)):
            raise ValueError("investigate: two steps have the same id")
        for finding in self.findings:
            unknown = _mentioned(finding) - set(ids)
            if unknown:
                raise ValueError(f"finding {finding.id}: there is no step {', '.join(unknown)}")
        return self


@dataclass(frozen=True, slots=True)
class Runbook:
    """One runbook as loaded."""

    path: Path
    front: FrontMatter
    matchers: Sequence[Matcher]
    sections: Mapping[str, str]

    @property
    def name(self) -> str:
        """Its name in the front matter."""
        return self.front.name

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether every matcher holds for an alert with these labels."""
        return all(matcher.matches(labels) for matcher in self.matchers)


def load(paths: Iterable[Path]) -> list[Runbook]:
    """Load runbook files, and all `*.md` of folders, in that order (folders sorted by name).

    Raises:
        RunbookError: naming file, line and key; also for two runbooks of the same name.
    """
    runbooks: dict[str, Runbook] = {}
    for path in paths:
        for file in sorted(path.glob("*.md")) if path.is_dir() else [path]:
            runbook = read(file)
            if runbook.name in runbooks:
                other = runbooks[runbook.name].path
                raise RunbookError(f"{file}:2: name: {runbook.name} is taken by {other}")
            runbooks[runbook.name] = runbook
    return list(runbooks.values())


def read(path: Path) -> Runbook:
    """Load one runbook. Raises RunbookError."""
    return parse(documents.read(path, RunbookError), path)


def parse(text: str, path: Path) -> Runbook:
    """Read a runbook's text; `path` is only for messages. Raises RunbookError."""
    lines = text.split("\n")
    ends = [number for number, line in enumerate(lines) if line.rstrip() == "---"]
    if len(ends) < 2 or ends[0] != 0:
        raise RunbookError(
            f"{path}:1: there is no front matter", "begin the file with a block between --- lines"
        )
    front = documents.parse(
        "\n".join(lines[1 : ends[1]]), FrontMatter, str(path), RunbookError, first_line=2
    )
    sections = _sections(lines[ends[1] + 1 :])
    absent = [name for name in SECTIONS if name not in sections]
    if absent:
        raise RunbookError(
            f"{path}:{ends[1] + 1}: section {', '.join(absent)} is missing",
            f"a runbook has the sections {', '.join(SECTIONS)}",
        )
    return Runbook(path, front, _matchers(front, path), sections)


def _matchers(front: FrontMatter, path: Path) -> tuple[Matcher, ...]:
    try:
        return tuple(item for text in front.matchers for item in parse_matchers(text))
    except ValueError as failure:
        raise RunbookError(f"{path}:2: matchers: {failure}") from None


def _sections(lines: Sequence[str]) -> dict[str, str]:
    """The text under each `## Heading`."""
    found: dict[str, list[str]] = {}
    body: list[str] = []
    for line in lines:
        if line.startswith("## "):
            body = found.setdefault(line[3:].strip(), [])
        else:
            body.append(line)
    return {name: "\n".join(text).strip() for name, text in found.items()}


def _mentioned(finding: Finding) -> set[str]:
    texts = [
        finding.root_cause,
        *finding.contributing_factors,
        *finding.ruled_out,
        *(text for effect in finding.propose for text in effect.values()),
    ]
    return {condition.step for condition in finding.when} | {
        step for text in texts for step, _ in PLACEHOLDER.findall(text)
    }
