"""Alertmanager's label matchers: `name="value"`, `!=`, `=~`, `!~`, alone or in a braced list.

Alertmanager has two parsers, the classic one and, from version 0.27 on, that of its UTF-8 mode. What
both accept and read differently is refused here, and so is what only the classic one accepts:
such a policy would mean one thing today and another one tomorrow. Names that only the newer one
knows (quoted, or with other characters than ASCII letters) are read as it reads them.

A label that is missing counts as empty, and a regular expression matches the whole value.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sre_daemon.policy.regex import Expression

# White space is what both parsers skip; a bare word has nothing that one of them reserves.
TOKEN = re.compile(
    r"""[ \t\n\r\f]*(?:
        (?P<quoted>"(?:[^"\\\n]|\\.)*")
      | (?P<bare>[^\s\x00-\x1f\x7f{}!=~,\\"'`]+)
      | (?P<op>=~|!~|!=|=)
      | (?P<mark>[{},])
      | (?P<end>\Z))""",
    re.VERBOSE,
)
SPACE = re.compile(r"[ \t\n\r\f]*")
CLASSIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
BARE = re.compile(r"""[^\s\x00-\x1f\x7f{}!=~,\\"'`]+""")
WRITE = 'write name="value", !=, =~ or !~'


class Operator(StrEnum):
    """How the value is compared."""

    EQUAL = "="
    NOT_EQUAL = "!="
    MATCH = "=~"
    NOT_MATCH = "!~"


REGEX = frozenset({Operator.MATCH, Operator.NOT_MATCH})


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label."""

    name: str
    operator: Operator
    value: str
    pattern: Expression | None = None

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels fulfil it; what is no text fulfils no expression."""
        actual = labels.get(self.name, "")
        if self.pattern is not None:
            return self.pattern.matches(actual) is (self.operator is Operator.MATCH)
        return (actual == self.value) is (self.operator is Operator.EQUAL)

    def __str__(self) -> str:
        name = self.name if BARE.fullmatch(self.name) else _quote(self.name)
        return f"{name}{self.operator}{_quote(self.value)}"


def parse(text: str) -> tuple[Matcher, ...]:
    """Read one matcher or a list of them.

    Raises:
        ValueError: what is wrong, with the text.
    """
    tokens = list(_tokens(text))
    braces = [token.text for token in tokens if token.kind == "mark" and token.text != ","]
    if braces:
        if braces != ["{", "}"] or (tokens[0].text, tokens[-2].text) != ("{", "}"):
            raise ValueError(f"unbalanced braces in {text!r}")
        tokens = [*tokens[1:-2], tokens[-1]]
    found = list(_triples(tokens))
    if not found:
        raise ValueError("a list of matchers needs at least one")
    # One name of the newer parser makes the classic one refuse the whole text.
    newer = any(name.kind == "quoted" or not CLASSIC.fullmatch(name.text) for name, _, _ in found)
    return tuple(_matcher(*triple, newer=newer) for triple in found)


@dataclass(frozen=True, slots=True)
class Token:
    """A word, an operator, a comma or a brace; `rest` is the text from there on."""

    kind: str
    text: str
    rest: str


def _tokens(text: str) -> Iterator[Token]:
    position = 0
    while True:
        found = TOKEN.match(text, position)
        if found is None:
            rest = text[SPACE.match(text, position).end() :]  # type: ignore[union-attr] # it matches nothing, too
            raise ValueError(f"cannot read {rest!r} as a matcher; {WRITE}")
        kind = str(found.lastgroup)
        yield Token(kind, found[kind], text[found.start(kind) :])
        if kind == "end":
            return
        position = found.end()


def _triples(tokens: list[Token]) -> Iterator[tuple[Token, Operator, Token]]:
    """Name, operator and value, with commas between and perhaps one at the end."""
    position = 0
    while tokens[position].kind != "end":
        name, operator, value, after = (*tokens[position : position + 4], *tokens[-1:] * 3)[:4]
        words = {"bare", "quoted"}
        if name.kind not in words or operator.kind != "op" or value.kind not in words:
            raise ValueError(f"cannot read {name.rest!r} as a matcher; {WRITE}, a value in quotes")
        yield name, Operator(operator.text), value
        position += 3
        if after.kind == "end":
            return
        if after.text != ",":
            raise ValueError(f"expected a comma before {after.rest!r}")
        position += 1


def _matcher(name: Token, operator: Operator, value: Token, *, newer: bool) -> Matcher:
    label = _text(name, newer=True)
    if not label:
        raise ValueError("a label has a name")
    content = _text(value, newer=newer)
    return Matcher(label, operator, content, Expression(content) if operator in REGEX else None)


def _text(token: Token, *, newer: bool) -> str:
    if token.kind == "bare":
        return token.text
    try:
        inner = token.text[1:-1]
        return b"".join(_unescaped(inner, newer=newer)).decode("utf-8")
    except UnicodeError:
        raise ValueError(f"{token.text} is not Unicode text") from None


# Go's escapes. Those that the classic parser takes literally are only read where it reads nothing.
ESCAPE = re.compile(
    r"\\(?:(?P<sign>[nrtabfv\\\"])|x(?P<byte>[0-9a-fA-F]{2})|(?P<octal>[0-3][0-7]{2})"
    r"|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8}))|(?P<plain>[^\\]+)"
)
SIGNS = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def _unescaped(inner: str, *, newer: bool) -> Iterator[bytes]:
    position = 0
    while position < len(inner):
        found = ESCAPE.match(inner, position)
        if found is None or not (newer or found["plain"] or found["sign"] in {*'n\\"'}):
            raise ValueError(
                f"escape {inner[position : position + 2]!r} in a quoted value is not read alike by "
                'every Alertmanager; \\n, \\\\ and \\" are'
            )
        yield _bytes(found)
        position = found.end()


def _bytes(found: re.Match[str]) -> bytes:
    if found["plain"]:
        return found["plain"].encode("utf-8")
    if found["sign"]:
        return SIGNS.get(found["sign"], found["sign"]).encode()
    if found["byte"]:
        return bytes([int(found["byte"], 16)])
    if found["octal"]:
        return bytes([int(found["octal"], 8)])
    point = int(found["short"] or found["long"], 16)
    if point > 0x10FFFF:
        raise ValueError(f"{found[0]} is no character")
    return chr(point).encode("utf-8")


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
