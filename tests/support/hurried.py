"""The rules about the daemon itself with every duration divided, so that hours pass in seconds."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

RULES = Path(__file__).parents[2] / "rules/sre-daemon.rules.yml"
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
RANGE = re.compile(r"\[(\d+)([smhd])(?::\d+[smhd])?\]")
# `time() - … > 600`, and the age of a message: thresholds that are seconds.
AGE = re.compile(r"> (\d{3,})\s*$", re.MULTILINE)


def hurried(divisors: Mapping[str, float]) -> dict[str, Any]:
    """The named alerts only, each with its durations divided by its own number; nothing else differs."""
    document = YAML(typ="safe").load(RULES.read_text())
    rules = [
        _divided(rule, divisors[rule["alert"]])
        for group in document["groups"]
        for rule in group["rules"]
        if rule["alert"] in divisors
    ]
    assert {rule["alert"] for rule in rules} == set(divisors)
    return {"groups": [{"name": "hurried", "interval": "1s", "rules": rules}]}


def _divided(rule: dict[str, Any], divisor: float) -> dict[str, Any]:
    def shorter(match: re.Match[str]) -> str:
        # Prometheus needs two samples in a range, one a second.
        return f"[{max(4, round(int(match[1]) * SECONDS[match[2]] / divisor))}s]"

    made = dict(rule)
    expression = RANGE.sub(shorter, rule["expr"])
    made["expr"] = AGE.sub(lambda match: f"> {int(match[1]) / divisor:g}", expression)
    if "for" in rule:
        number, unit = int(rule["for"][:-1]), rule["for"][-1]
        made["for"] = f"{max(1, round(number * SECONDS[unit] / divisor))}s"
    return made
