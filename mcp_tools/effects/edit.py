"""An edit as effects: the file before and after, and their difference key by key.

Pure functions. Whatever differs in more than the values of known keys is refused, however the
edit was phrased.
"""

import re
from dataclasses import dataclass

from mcp_tools.effects.document import (
    Document,
    Entry,
    Format,
    Style,
    Unreadable,
    is_copy,
    parse,
)
from mcp_tools.effects.keys import changes_loading
from mcp_tools.effects.wire import ConfigSet
from mcp_tools.errors import Refused, ToolError
from mcp_tools.redaction import is_secret, shown

RULE = "edit_not_allowed"
# Control characters and everything Unicode counts as a line break or as invisible.
UNWRITABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
SPECIAL = {
    Style.PLAIN: set("\"'#$\\`"),
    Style.SINGLE: set("'\\"),
    Style.DOUBLE: set('"\\$`'),
    Style.FIXED: set[str](),
}
MAX_VALUE = 1024
# What these files hold decides which code runs, or belongs to the watching side.
PROTECTED = re.compile(
    r"(?:^|/)(?:(?:docker-)?compose[^/]*|prometheus[^/]*|alertmanager[^/]*|guardrails[^/]*|policy[^/]*|"
    r"health[^/]*|sre-daemon[^/]*|supervisord?[^/]*)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Edit:
    """What would be written, and what it means."""

    before: Document
    after: Document
    effects: tuple[ConfigSet, ...]


def plan(path: str, text: str, old: str, new: str, key: str | None) -> Edit:
    """The file's new content and the difference as effects.

    With `key`, `old` and `new` are the key's whole value; without, exact text of which the first
    occurrence that begins and ends at whole lines or values is replaced.

    Raises:
        ToolError: the file is not as the caller believes, or nothing would change.
        Refused: the edit does more than give known keys new values.
    """
    if is_copy(path):
        raise Refused(RULE, f"{path} is a kept copy.", "Edit the file itself, not its backup.")
    before = parse(path, text)
    if before.format is Format.TEXT:
        raise Refused(
            RULE, f"{path} has no keys that can be set.", "Only key-value files are edited."
        )
    if before.duplicates:
        raise Refused(
            RULE,
            f"{path} has {', '.join(before.duplicates)} more than once.",
            "Remove one by hand.",
        )
    start, end = _place_of_key(before, old, key) if key else _place_of_text(before, old)
    changed = text[:start] + new + text[end:]
    if changed == text:
        raise ToolError("Old and new value are the same.", "Nothing to do.")
    try:
        after = parse(path, changed)
    except Unreadable as failure:
        raise Refused(RULE, f"The result would not be readable. {failure.reason}") from None
    effects = difference(path, before, after)
    if key and [(item.key, item.after) for item in effects] != [(key, new)]:
        raise Refused(RULE, f"The new value of {key} would be read as something else.")
    return Edit(before, after, effects)


def _place_of_key(document: Document, old: str, key: str) -> tuple[int, int]:
    entry = document.find(key)
    if entry is None:
        known = ", ".join(list(document.values())[:40]) or "none"
        raise ToolError(f"There is no key {key}.", f"Keys of the file: {known}.")
    if entry.style is Style.FIXED:
        raise Refused(RULE, f"The value of {key} is not simple text on one line.")
    if entry.value != old:
        raise ToolError(
            f"{key} is {shown(key, entry.value)!r}, not {shown(key, old)!r}.",
            "Read the file again and give the value it has now.",
        )
    return entry.start, entry.end


def _place_of_text(document: Document, old: str) -> tuple[int, int]:
    if not old:
        raise ToolError("old_value is empty.", "Give the exact text to replace, or name the key.")
    text = document.text
    starts = {0} | {match.end() for match in re.finditer("\n", text)}
    ends = {len(text)} | {match.start() for match in re.finditer("\r?\n", text)}
    for entry in document.entries:
        if entry.style is not Style.FIXED:
            starts |= {entry.start, _key_start(text, entry)}
            ends |= {entry.end}
    position = text.find(old)
    while position >= 0:
        if position in starts and (position + len(old) in ends or old.endswith("\n")):
            return position, position + len(old)
        position = text.find(old, position + 1)
    raise ToolError(
        "The old text does not occur as a whole value or whole line.",
        "Read the file, then give the key with its whole old and new value.",
    )


def _key_start(text: str, entry: Entry) -> int:
    line = text[entry.line : entry.start]
    return entry.line + len(line) - len(line.lstrip(" \t-"))


def difference(path: str, before: Document, after: Document) -> tuple[ConfigSet, ...]:
    """The changed keys, in the order of the file.

    Raises:
        Refused: keys come or go, anything besides values changes, or a key may never be written.
    """
    if [item.key for item in before.entries] != [item.key for item in after.entries]:
        raise Refused(
            RULE, "The edit adds, removes or renames keys.", "Only values may be changed."
        )
    if before.skeleton != after.skeleton:
        raise Refused(RULE, "The edit changes more than values.", "Only values may be changed.")
    effects = []
    for old, new in zip(before.entries, after.entries, strict=True):
        if old.value != new.value or old.style is not new.style:
            _check_change(old, new)
            effects.append(ConfigSet(path, old.key, old.value, new.value))
    if not effects:
        raise ToolError("The edit changes no value.", "Nothing to do.")
    return tuple(effects)


def _check_change(old: Entry, new: Entry) -> None:
    key, value = new.key, new.value
    if is_secret(key, old.value) or is_secret(key, value):
        raise Refused(RULE, f"{key} is a secret.", "Secrets are changed by people only.")
    if changes_loading(key):
        raise Refused(RULE, f"{key} decides which code runs or which system is talked to.")
    if old.style is Style.FIXED or new.style is not old.style:
        raise Refused(RULE, f"The value of {key} is not simple text on one line.")
    if UNWRITABLE.search(value):
        raise Refused(RULE, f"The new value of {key} has a line break or an invisible character.")
    if SPECIAL[new.style] & set(value) or value != value.strip():
        raise Refused(
            RULE, f"The new value of {key} has a quote, comment, escape or outer space.",
            "Programs differ in how they read those.",
        )  # fmt: skip
    if len(value) > MAX_VALUE:
        raise Refused(RULE, f"The new value of {key} is longer than {MAX_VALUE} characters.")
