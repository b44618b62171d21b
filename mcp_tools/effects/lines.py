"""The formats in which one line holds one key: env, ini, and the simple part of TOML."""

import re
import tomllib
from collections.abc import Iterator, Mapping

from mcp_tools.effects.document import Entry, Style, Unreadable

ENV_LINE = re.compile(r"\ufeff?[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*")
INI_LINE = re.compile(r"\ufeff?([^\s=:;#\[][^=:]*?)[ \t]*[=:][ \t]*")
INI_SECTION = re.compile(r"\ufeff?\[([^\]]+)\]\s*$")
TOML_LINE = re.compile(r"\ufeff?[ \t]*([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)[ \t]*=[ \t]*")
TOML_SECTION = re.compile(r"\ufeff?[ \t]*(\[\[?)[ \t]*([A-Za-z0-9_.-]+)[ \t]*\]\]?[ \t]*(?:#.*)?$")
TOML_VALUE = re.compile(
    r"(?:\"(?P<double>[^\"\\]*)\"|'(?P<single>[^']*)'|(?P<plain>[A-Za-z0-9+.:_-]+))[ \t]*(?:#.*)?$"
)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Each line's place and its text without the line ending. Only \\n ends a line here: other
    break characters belong to values, and a value with one of them is never written."""
    position = 0
    for line in text.split("\n"):
        yield position, line.removesuffix("\r")
        position += len(line) + 1


def read_env(text: str) -> tuple[Entry, ...]:
    """`KEY=VALUE` lines as Compose reads them: optional quotes, ` #` starts a comment."""
    entries = []
    for position, line in _lines(text):
        match = ENV_LINE.match(line)
        if match:
            start, end, style = _value(line, match.end(), " #")
            entries.append(_entry(match[1], text, position, (start, end), style))
    return tuple(entries)


def read_ini(text: str) -> tuple[Entry, ...]:
    """`key = value` lines below `[section]` lines; the key is `section.key`."""
    entries: list[Entry] = []
    section = ""
    for position, line in _lines(text):
        if entries and line[:1] in {" ", "\t"} and line.strip():
            # A continuation: the value has more than one line, so its place is not certain.
            last = entries[-1]
            entries[-1] = Entry(last.key, last.value, last.start, last.end, last.line, Style.FIXED)
            continue
        heading = INI_SECTION.match(line)
        match = INI_LINE.match(line)
        if heading:
            section = heading[1] + "."
        elif match:
            start, end, style = _value(line, match.end(), " ;")
            entries.append(_entry(section + match[1], text, position, (start, end), style))
    return tuple(entries)


def _value(line: str, start: int, comment: str) -> tuple[int, int, Style]:
    """Where the value is within the line, without quotes, and how it is written."""
    rest = line[start:]
    quote = rest[:1]
    if quote in {'"', "'"}:
        close = rest.find(quote, 1)
        after = rest[close + 1 :].strip()
        if close < 0 or (after and not after.startswith("#")) or "\\" in rest[:close]:
            return start, start + len(rest.rstrip()), Style.FIXED
        style = Style.DOUBLE if quote == '"' else Style.SINGLE
        return start + 1, start + close, style
    cut = rest.find(comment)
    value = (rest if cut < 0 else rest[:cut]).rstrip()
    if value.startswith("#"):
        value = ""
    return start, start + len(value), Style.PLAIN


def _entry(key: str, text: str, line: int, span: tuple[int, int], style: Style) -> Entry:
    start, end = line + span[0], line + span[1]
    return Entry(key, text[start:end], start, end, line, style)


def read_toml(text: str) -> tuple[Entry, ...]:
    """Every scalar of the file; those on a simple line of their own can be written.

    The real parser has the last word: a line that looks like a key but is not one for it (the
    inside of a long string, say) gives no entry.
    """
    try:
        tree = flatten(tomllib.loads(text.removeprefix("\ufeff")))
    except (tomllib.TOMLDecodeError, RecursionError) as failure:
        raise Unreadable(f"The file is not valid TOML: {failure}.") from None
    places: dict[str, Entry] = {}
    repeated: set[str] = set()
    for entry in _toml_lines(text):
        repeated |= {entry.key} & places.keys()
        places[entry.key] = entry
    entries = []
    for key, value in tree.items():
        found = places.get(key)
        if found is not None and key not in repeated and scalar(value) == found.value:
            entries.append(found)
        else:
            entries.append(Entry(key, scalar(value), 0, 0, 0, Style.FIXED))
    return tuple(entries)


def _toml_lines(text: str) -> Iterator[Entry]:
    section = ""
    tables: dict[str, int] = {}
    for position, line in _lines(text):
        heading = TOML_SECTION.match(line)
        match = TOML_LINE.match(line)
        if heading:
            section = heading[2] + "."
            if heading[1] == "[[":
                tables[section] = tables.get(section, -1) + 1
                section += f"{tables[section]}."
        elif match:
            value = TOML_VALUE.match(line, match.end())
            if value and value.lastgroup:
                style = {"double": Style.DOUBLE, "single": Style.SINGLE}.get(
                    value.lastgroup, Style.PLAIN
                )
                yield _entry(section + match[1], text, position, value.span(value.lastgroup), style)


def flatten(tree: object, prefix: str = "") -> dict[str, object]:
    """Nested mappings and lists as dotted keys; `a: [x]` is `a.0`."""
    if isinstance(tree, Mapping):
        items = [(str(key), value) for key, value in tree.items()]
    elif isinstance(tree, list):
        items = [(str(index), value) for index, value in enumerate(tree)]
    else:
        return {prefix: tree}
    flat: dict[str, object] = {}
    for key, value in items:
        flat |= flatten(value, f"{prefix}.{key}" if prefix else key)
    return flat


def scalar(value: object) -> str:
    """A scalar as it is usually written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)
