"""Alertmanager's label matchers: `name="value"`, `!=`, `=~`, `!~`, alone or in a braced list.

Read as Alertmanager reads them: values and names may be quoted (Go's escapes) or bare, a label
that is missing counts as empty, and regular expressions match the whole value. Python's engine
can take exponential time where Alertmanager's cannot, so expressions that could do that are
refused when they are read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from re import _constants as tokens  # type: ignore[attr-defined] # the parsed form, for the check
from re import _parser as parser  # type: ignore[attr-defined] # of expressions that can explode
from typing import Any

MAX_REGEX = 256
TOKEN = re.compile(
    r"""\s*(?P<name>"(?:[^"\\]|\\.)*"|[^\s{}!=~,\\"'`]+)
        \s*(?P<op>=~|!~|!=|=)
        \s*(?P<value>"(?:[^"\\]|\\.)*"|[^\s{}!=~,\\"'`]*)\s*""",
    re.VERBOSE,
)
ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", '"': '"'}


class Operator(StrEnum):
    """How the value is compared."""

    EQUAL = "="
    NOT_EQUAL = "!="
    MATCH = "=~"
    NOT_MATCH = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label."""

    name: str
    operator: Operator
    value: str
    pattern: re.Pattern[str] | None = None

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels fulfil it."""
        actual = labels.get(self.name, "")
        if self.pattern is not None:
            found = self.pattern.fullmatch(actual) is not None
            return found is (self.operator is Operator.MATCH)
        return (actual == self.value) is (self.operator is Operator.EQUAL)

    def __str__(self) -> str:
        quoted = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.operator}"{quoted}"'


def parse(text: str) -> tuple[Matcher, ...]:
    """Read one matcher or a list of them.

    Raises:
        ValueError: what is wrong, with the text.
    """
    body = text.strip()
    if body.startswith("{") != body.endswith("}"):
        raise ValueError(f"unbalanced braces in {text!r}")
    if body.startswith("{"):
        body = body[1:-1]
    matchers: list[Matcher] = []
    position = 0
    while position < len(body):
        found = TOKEN.match(body, position)
        if found is None:
            raise ValueError(
                f'cannot read {body[position:]!r} as a matcher; write name="value", !=, =~ or !~'
            )
        matchers.append(_matcher(found))
        position = found.end()
        if position < len(body):
            if body[position] != ",":
                raise ValueError(f"expected a comma before {body[position:]!r}")
            position += 1
    if not matchers:
        raise ValueError("a list of matchers needs at least one")
    return tuple(matchers)


def _matcher(found: re.Match[str]) -> Matcher:
    name = _unquote(found["name"])
    value = _unquote(found["value"])
    operator = Operator(found["op"])
    if operator in {Operator.MATCH, Operator.NOT_MATCH}:
        return Matcher(name, operator, value, compile_regex(value))
    return Matcher(name, operator, value)


def _unquote(text: str) -> str:
    if not text.startswith('"'):
        return text
    return re.sub(r"\\(.)", _escape, text[1:-1], flags=re.DOTALL)


def _escape(found: re.Match[str]) -> str:
    try:
        return ESCAPES[found[1]]
    except KeyError:
        raise ValueError(f"unknown escape {found[0]!r} in a quoted value") from None


def compile_regex(text: str) -> re.Pattern[str]:
    """Compile an expression that cannot take exponential time.

    Raises:
        ValueError: too long, not an expression, or one that can explode.
    """
    if len(text) > MAX_REGEX:
        raise ValueError(f"the expression is longer than {MAX_REGEX} characters")
    try:
        tree = parser.parse(text)
        _refuse_explosive(tree, repeated=False)
        return re.compile(text, re.DOTALL)
    except (re.error, RecursionError, OverflowError) as failure:
        raise ValueError(f"{text!r} is not a regular expression: {failure}") from None


REPEATS = (tokens.MAX_REPEAT, tokens.MIN_REPEAT, tokens.POSSESSIVE_REPEAT)


def _refuse_explosive(tree: Any, *, repeated: bool) -> None:
    """A repetition or an alternative inside a repetition can be tried in exponentially many ways."""
    for operation, argument in tree:
        if operation in REPEATS:
            low, high, inner = argument
            if repeated:
                raise ValueError("a repetition inside a repetition can explode; flatten it")
            _refuse_explosive(inner, repeated=(low, high) != (0, 1))
        elif operation is tokens.SUBPATTERN:
            _refuse_explosive(argument[-1], repeated=repeated)
        elif operation is tokens.BRANCH:
            if repeated:
                raise ValueError("an alternative inside a repetition can explode; rewrite it")
            for branch in argument[1]:
                _refuse_explosive(branch, repeated=repeated)
        elif operation in {
            tokens.GROUPREF,
            tokens.GROUPREF_EXISTS,
            tokens.ASSERT,
            tokens.ASSERT_NOT,
            tokens.ATOMIC_GROUP,
        }:
            raise ValueError("back-references, look-around and atomic groups are not accepted")
