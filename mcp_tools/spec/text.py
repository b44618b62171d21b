"""Hostile text made harmless: terminal and bidi tricks become visible, lengths are bounded."""

import json
import re
from collections.abc import Iterable
from typing import Any, TypeVar

T = TypeVar("T")

ANSI = re.compile(
    r"\x1b(?:\[[0-?]{0,32}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,256}(?:\x07|\x1b\\)|[@-Z\\-_])"
)
# Everything that a reader cannot see or that changes the order of what they see: controls but tab
# and newline, soft hyphen, Arabic letter mark, zero-width and bidi characters, line separators,
# the byte order mark, surrogates, variation selectors and tag characters.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)


def clean(text: str) -> str:
    """Text without terminal sequences; other unseen characters are written as `<U+202E>`."""
    return UNSEEN.sub(_visible, ANSI.sub("", text.replace("\r\n", "\n")))


def _visible(match: re.Match[str]) -> str:
    return f"<U+{ord(match.group()):04X}>"


def clip(text: str, limit: int) -> str:
    """At most about `limit` characters, saying how many were cut."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit} more characters)"


def visible_json(value: Any) -> Any:
    """JSON data with every string in it cleaned."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [visible_json(item) for item in value]
    if isinstance(value, dict):
        return {clean(key): visible_json(item) for key, item in value.items()}
    return value


def fit(items: Iterable[T], budget: int) -> tuple[list[T], bool]:
    """The first items whose JSON fits `budget` characters, and whether any was left out."""
    kept: list[T] = []
    for item in items:
        budget -= len(json.dumps(item, default=str, ensure_ascii=False)) + 2
        if budget < 0:
            return kept, True
        kept.append(item)
    return kept, False
