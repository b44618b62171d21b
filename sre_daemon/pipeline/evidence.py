"""Whether the evidence of a diagnosis is borne out by what the tools really said. Pure: no I/O."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace

from sre_daemon.domain.diagnosis import Diagnosis, Evidence
from sre_daemon.domain.effect import ConfigSet
from sre_daemon.domain.run import ToolCall
from sre_daemon.pipeline import figures

# A quote with fewer letters and digits is found in almost any output.
SHORTEST = 3
# They describe, or repeat what people wrote: nothing they say is a fact about the system now.
NO_EVIDENCE = frozenset({"execute_runbook", "list_metrics"})


def check(
    diagnosis: Diagnosis, calls: Mapping[str, ToolCall], *, recompute: bool = True
) -> Diagnosis:
    """Mark each piece of evidence, and what the root cause says beyond it.

    `calls` has the recorded calls that succeeded, by name. `recompute` is for a diagnosis in a
    model's words; the claims of a runbook were computed, and its words are the operator's.
    """
    checked = tuple(_checked(item, calls, recompute) for item in diagnosis.evidence)
    marked = replace(diagnosis, evidence=checked, unshown=())
    if not recompute or not diagnosis.conclusive:
        return marked
    known = [text for item in checked if item.supported for text in (item.claim, item.quote)]
    for effect in diagnosis.proposed:
        # What it will be is a proposal; what it is must be on record.
        known += [effect.after] if isinstance(effect, ConfigSet) else []
    beyond = figures.among(diagnosis.root_cause, known)
    return replace(
        marked, unshown=tuple(f"the root cause says {item}, no evidence does" for item in beyond)
    )


def _checked(item: Evidence, calls: Mapping[str, ToolCall], recompute: bool) -> Evidence:
    problem = _problem(item, calls.get(item.call), recompute)
    return replace(item, supported=not problem, problem=problem)


def _problem(item: Evidence, call: ToolCall | None, recompute: bool) -> str:
    if call is None:
        return f"there is no successful call {item.call[:20]} on record"
    if call.tool in NO_EVIDENCE:
        return f"{call.tool} says nothing about the system now"
    if sum(character.isalnum() for character in item.quote) < SHORTEST:
        return "the quote is too short to show anything"
    if not _found(item.quote, call.output):
        return f"the quote is not in the result of {item.call}"
    if recompute:
        wrong = figures.unfounded(item.claim, item.quote, call.output, call.arguments)
        if wrong:
            return f"the result of {item.call} does not bear out {', '.join(wrong)}"
    return ""


def _found(quoted: str, output: str) -> bool:
    quote = _flat(quoted)
    # A number must not go on where the quote ends: SIZE=1 is not in SIZE=15.
    before = r"(?<![\d.])" if quote[0].isdigit() else ""
    after = r"(?!\d|\.\d)" if quote[-1].isdigit() else ""
    form = re.compile(before + re.escape(quote) + after)
    return any(form.search(_flat(text)) for text in (output, _decoded(output)))


def _flat(text: str) -> str:
    """White space and case do not count: models reformat what they quote."""
    return " ".join(text.split()).casefold()


def _decoded(output: str) -> str:
    """The strings and numbers of a JSON output, without the escapes of JSON."""
    try:
        data = json.loads(output)
    except ValueError:
        return ""
    parts: list[str] = []
    _collect(data, parts)
    return "\n".join(parts)


def _collect(node: object, parts: list[str]) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, dict | list):
                parts.append(str(key))
                _collect(value, parts)
            else:
                # Both ways in which people write a pair.
                parts.append(f"{key}={value}")
                parts.append(f"{key}: {value}")
    elif isinstance(node, list):
        for value in node:
            _collect(value, parts)
    else:
        parts.append(str(node))
