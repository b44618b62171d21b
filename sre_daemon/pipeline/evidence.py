"""Whether the evidence of a diagnosis can be found in what the tools really said."""

import json
from collections.abc import Mapping
from dataclasses import replace

from sre_daemon.domain.diagnosis import Diagnosis, Evidence

# A quote this short is found in almost any output.
SHORTEST = 1


def check(diagnosis: Diagnosis, outputs: Mapping[str, str]) -> Diagnosis:
    """Mark each piece of evidence: is its quote in the recorded output of the call it names?

    `outputs` has the recorded output of each call that succeeded, by call name.
    """
    return replace(
        diagnosis,
        evidence=tuple(
            replace(item, supported=_found(item, outputs)) for item in diagnosis.evidence
        ),
    )


def _found(item: Evidence, outputs: Mapping[str, str]) -> bool:
    output = outputs.get(item.call)
    quote = _flat(item.quote)
    if output is None or len(quote) < SHORTEST:
        return False
    return quote in _flat(output) or quote in _flat(_decoded(output))


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
