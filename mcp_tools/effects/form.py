"""How an effect's structured text is written, and its mark: the daemon reads and computes the same by itself."""

import hashlib
import json


def canonical(value: object) -> str:
    """A value as the one text that the policy judges and the gate compares."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def mark(*parts: str) -> str:
    """A name for exactly this, left where it was made: by it we know it as ours."""
    return "sre-" + hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
