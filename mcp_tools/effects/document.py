"""A configuration file read as keys, each with the place of its value in the text.

Writing replaces exactly one such place and nothing else, so that every other byte of the file
stays as it was. A value whose place is not certain (blocks, escapes, anchors) can be read only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from mcp_tools.errors import ToolError


class Format(StrEnum):
    """How a file is read; `text` has no keys."""

    ENV = "env"
    YAML = "yaml"
    JSON = "json"
    TOML = "toml"
    INI = "ini"
    TEXT = "text"


class Style(StrEnum):
    """How a value is written down, which says what a new value may contain."""

    PLAIN = "plain"
    SINGLE = "single-quoted"
    DOUBLE = "double-quoted"
    FIXED = "fixed"


class Unreadable(ToolError):
    """The text does not follow its format."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One key. `start` and `end` delimit the value within the text, without its quotes.

    `line` is where the key itself starts. A `FIXED` entry can be read but not written.
    """

    key: str
    value: str
    start: int
    end: int
    line: int
    style: Style = Style.PLAIN


@dataclass(frozen=True, slots=True)
class Document:
    """A file's text and its entries, in the order of the file."""

    format: Format
    text: str
    entries: tuple[Entry, ...]

    @property
    def duplicates(self) -> tuple[str, ...]:
        """Keys that occur more than once; which one counts depends on the reader."""
        names = [entry.key for entry in self.entries]
        return tuple(sorted({name for name in names if names.count(name) > 1}))

    @property
    def skeleton(self) -> str:
        """The text with every value cut out: what an edit must leave as it is."""
        pieces, position = [], 0
        for entry in sorted(self.entries, key=lambda item: item.start):
            pieces += [self.text[position : entry.start], "\0"]
            position = entry.end
        return "".join(pieces) + self.text[position:]

    def values(self) -> dict[str, str]:
        """Key to value; of a duplicate the last."""
        return {entry.key: entry.value for entry in self.entries}

    def find(self, key: str) -> Entry | None:
        """The entry of this key; of a duplicate the first."""
        return next((entry for entry in self.entries if entry.key == key), None)


SUFFIXES = {
    ".env": Format.ENV,
    ".yaml": Format.YAML,
    ".yml": Format.YAML,
    ".json": Format.JSON,
    ".toml": Format.TOML,
    ".ini": Format.INI,
    ".cfg": Format.INI,
    ".conf": Format.INI,
}
COPIES = (".backup", ".bak", ".orig", ".old", ".save", "~")


def is_copy(path: str) -> bool:
    """Whether the name says that this is a kept copy, which must stay as it is."""
    return path.lower().endswith(COPIES)


def format_of(path: str) -> Format:
    """The format that the file's name promises; a kept copy has the format of the original."""
    name = path.lower()
    for copy in COPIES:
        name = name.removesuffix(copy)
    dot = name.rfind(".")
    return SUFFIXES.get(name[dot:], Format.TEXT) if dot >= 0 else Format.TEXT


def parse(path: str, text: str) -> Document:
    """Read a file's text as keys.

    Raises:
        Unreadable: the text does not follow the format that its name promises.
    """
    from mcp_tools.effects import lines, trees

    kind = format_of(path)
    readers: dict[Format, Callable[[str], tuple[Entry, ...]]] = {
        Format.ENV: lines.read_env,
        Format.INI: lines.read_ini,
        Format.TOML: lines.read_toml,
        Format.YAML: trees.read_yaml,
        Format.JSON: trees.read_json,
    }
    reader = readers.get(kind)
    return Document(kind, text, reader(text) if reader else ())
