"""Whether a runbook's conditions hold for what its steps returned. Pure: no I/O.

A step that failed, or has no such value, makes every condition about it false: missing data
supports nothing.
"""

import json
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sre_daemon.agent.runbook.file import COMPARISON, PLACEHOLDER, Condition, Finding
from sre_daemon.domain.diagnosis import Diagnosis, Evidence
from sre_daemon.domain.effect import from_json

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
# Fields of a result that repeat the question: text found there says nothing about the system.
ECHOES = frozenset({"call", "query", "path", "service", "container", "level"})
QUOTE_CHARS = 200


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one step returned; `data` is None when it failed."""

    call: str
    output: str
    data: Mapping[str, Any] | None


Outcomes = Mapping[str, Outcome]


def evaluate(finding: Finding, outcomes: Outcomes) -> Diagnosis | None:
    """The diagnosis, when every condition holds."""
    evidence = []
    for condition in finding.when:
        outcome = outcomes[condition.step]
        quote = None if outcome.data is None else _holds(condition, outcome.data)
        if quote is None:
            return None
        evidence.append(Evidence(condition.claim, outcome.call, _literal(quote, outcome.output)))
    effects = [
        {field: fill(text, outcomes) for field, text in effect.items()}
        for effect in finding.propose
    ]
    # An effect with a hole in it is not proposed, and then the others would be half a repair.
    unknown = any(text is None for effect in effects for text in effect.values())
    return Diagnosis(
        conclusive=True,
        root_cause=fill(finding.root_cause, outcomes, "unknown") or finding.root_cause,
        confidence=finding.confidence,
        evidence=tuple(evidence),
        contributing_factors=_filled(finding.contributing_factors, outcomes),
        affected_services=finding.affected_services,
        ruled_out=_filled(finding.ruled_out, outcomes),
        missing=("a value that the proposed change needs",) if unknown else (),
        proposed=() if unknown else tuple(from_json(effect) for effect in effects),
    )


def _filled(texts: Sequence[str], outcomes: Outcomes) -> tuple[str, ...]:
    return tuple(fill(text, outcomes, "unknown") or text for text in texts)


def fill(text: str, outcomes: Outcomes, unknown: str | None = None) -> str | None:
    """Replace `{step.KEY}` and `{step.value}`; None when one has no value and `unknown` is None."""
    values = [_placeholder(outcomes[step], name) for step, name in PLACEHOLDER.findall(text)]
    if unknown is None and None in values:
        return None
    found = iter(values)
    return PLACEHOLDER.sub(lambda _: next(found) or unknown or "", text)


def _placeholder(outcome: Outcome, name: str) -> str | None:
    if outcome.data is None:
        return None
    if name == "value":
        return next((f"{number:g}" for number, _ in _numbers(outcome.data)), None)
    value = _key(outcome.data, name)
    return value if value is not None else None


def _holds(condition: Condition, data: Mapping[str, Any]) -> str | None:
    """A quote from the data that shows it, or None when the condition does not hold."""
    if condition.key is not None:
        return _key_holds(condition, condition.key, data)
    if condition.value is not None:
        return next(
            (quote for number, quote in _numbers(data) if _compare(number, condition.value)), None
        )
    if condition.empty is not None:
        return (
            f'"empty": {json.dumps(condition.empty)}' if _empty(data) is condition.empty else None
        )
    if condition.contains is not None:
        return next((condition.contains for t in _texts(data) if condition.contains in t), None)
    absent = condition.not_contains or ""
    # Absence has no quote of its own: the beginning of the result names where it was looked for.
    return None if any(absent in text for text in _texts(data)) else ""


def _key_holds(condition: Condition, key: str, data: Mapping[str, Any]) -> str | None:
    value = _key(data, key)
    if value is None:
        return None
    number = _number(value)
    holds = (
        (condition.value is not None and number is not None and _compare(number, condition.value))
        or (condition.number is not None and condition.number is (number is not None))
        or (condition.equals is not None and condition.equals == value)
        or (condition.contains is not None and condition.contains in value)
        or (condition.not_contains is not None and condition.not_contains not in value)
        or (condition.empty is not None and condition.empty is (value == ""))
    )
    return f"{key}={value}" if holds else None


def _key(data: Mapping[str, Any], key: str) -> str | None:
    keys = data.get("keys")
    value = keys.get(key) if isinstance(keys, Mapping) else None
    return value if isinstance(value, str) else None


def _numbers(data: Mapping[str, Any]) -> Iterator[tuple[float, str]]:
    """The value now of every series, with the text that shows it in the result's JSON."""
    series = data.get("series")
    for item in series if isinstance(series, list) else ():
        value = item.get("value")
        if isinstance(value, int | float):
            yield float(value), f'"value": {json.dumps(value)}'
        elif item.get("values"):
            last = item["values"][-1]
            if isinstance(last[1], int | float):
                yield float(last[1]), json.dumps(last)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _compare(number: float, comparison: str) -> bool:
    match = COMPARISON.fullmatch(comparison)
    return match is not None and OPERATORS[match[1]](number, float(match[2]))


def _empty(data: Mapping[str, Any]) -> bool | None:
    value = data.get("empty")
    return value if isinstance(value, bool) else None


def _texts(data: object, top: bool = True) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        for key, value in data.items():
            if not (top and key in ECHOES):
                yield from _texts(value, top=False)
    elif isinstance(data, list):
        for value in data:
            yield from _texts(value, top=False)


def _literal(quote: str, output: str) -> str:
    """The quote as it stands in the recorded output, which is JSON and escapes some characters."""
    for candidate in (quote, json.dumps(quote, ensure_ascii=False)[1:-1]):
        if candidate and candidate in output:
            return candidate
    key, _, value = quote.partition("=")
    pair = f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
    return pair if pair in output else output[:QUOTE_CHARS]
