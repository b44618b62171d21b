"""How the tool server writes an effect's structured text, and its mark: computed here for ourselves."""

import hashlib
import json
from typing import Any


def read(text: str) -> dict[str, Any] | None:
    """The mapping in a text that is exactly how the tool server writes it.

    Another way of writing could be read as something else by whoever gets it.
    """
    try:
        found = json.loads(text)
        same = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False) == text
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and same else None


def mark(*parts: str) -> str:
    """The name that the tool server leaves at exactly what it made."""
    return "sre-" + hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
