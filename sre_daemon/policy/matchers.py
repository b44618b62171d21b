"""Alertmanager's label matchers: `name="value"`, `!=`, `=~`, `!~`, alone or in a braced list.

Read as Alertmanager reads them: values and names may be quoted (Go's escapes) or bare, a label
that is missing counts as empty, and regular expressions match the whole value. Two engines read
them: what Python's reads otherwise than Go's, or could take exponential time for, is refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from re import _constants as tokens  # type: ignore[attr-defined] # the parsed form, for the check
from re import _parser as parser  # type: ignore[attr-defined] # of expressions that can explode
from typing import Any

MAX_REGEX = 256
MAX_VALUE = 256
MAX_REPEAT = 1000
MAX_WAYS = 10_000_000
UNBOUNDED = 100
TOKEN = re.compile(
    r"""\s*(?P<name>"(?:[^"\\]|\\.)*"|[^\s{}!=~,\\"'`]+)
        \s*(?P<op>=~|!~|!=|=)
        \s*(?P<value>"(?:[^"\\]|\\.)*"|[^\s{}!=~,\\"'`]*)\s*""",
    re.VERBOSE,
)
BARE = re.compile(r"""[^\s{}!=~,\\"'`]+""")
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
            if len(actual) > MAX_VALUE:
                # Values come from whoever writes the series; time grows with the cube of the length.
                return False
            found = self.pattern.fullmatch(actual) is not None
            return found is (self.operator is Operator.MATCH)
        return (actual == self.value) is (self.operator is Operator.EQUAL)

    def __str__(self) -> str:
        name = self.name if BARE.fullmatch(self.name) else _quote(self.name)
        return f"{name}{self.operator}{_quote(self.value)}"


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


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _unquote(text: str) -> str:
    if not text.startswith('"'):
        return text
    return re.sub(r"\\(.)", _escape, text[1:-1], flags=re.DOTALL)


def _escape(found: re.Match[str]) -> str:
    try:
        return ESCAPES[found[1]]
    except KeyError:
        raise ValueError(f"unknown escape {found[0]!r} in a quoted value") from None


# What Python accepts and Go refuses, or reads as something else: [:alpha:], {,3}, comments, other
# flags than i, m and s, \Z, \u and \N; and what a later Python will read as an operation on sets.
FOREIGN = re.compile(
    r"\[:|\{,|\(\?#|\(\?[a-zA-Z]*[aLux][a-zA-Z]*[:)-]|\\[ZuUN]"
    r"|\[\^?\[|\[[^\]]*(?:&&|--|\|\||~~)"
)
IGNORE_CASE = re.compile(r"\(\?[a-z]*i")
ESCAPED_SIGN = re.compile(r"\\[^a-zA-Z]", re.DOTALL)


def compile_regex(text: str) -> re.Pattern[str]:
    """Compile an expression that means the same in Go and cannot take exponential time.

    Raises:
        ValueError: too long, not an expression, or one of those.
    """
    if len(text) > MAX_REGEX:
        raise ValueError(f"the expression is longer than {MAX_REGEX} characters")
    plain = ESCAPED_SIGN.sub("_", text)
    foreign = FOREIGN.search(plain)
    if foreign is not None:
        raise ValueError(f"{foreign[0]!r} in {text!r} is not read alike by Alertmanager")
    if IGNORE_CASE.search(plain) and not text.isascii():
        raise ValueError("ignoring case is only accepted for ASCII expressions")
    try:
        # As in Go: \d, \w, \s and \b are ASCII, and a dot is not a newline.
        if _ways(parser.parse(text, re.ASCII), repeated=False) > MAX_WAYS:
            raise ValueError(f"{text!r} can be tried in too many ways; use fewer repetitions")
        return re.compile(text, re.ASCII)
    except (re.error, RecursionError, OverflowError) as failure:
        raise ValueError(f"{text!r} is not a regular expression: {failure}") from None


REPEATS = (tokens.MAX_REPEAT, tokens.MIN_REPEAT)
REFUSED = (
    tokens.GROUPREF,
    tokens.GROUPREF_EXISTS,
    tokens.ASSERT,
    tokens.ASSERT_NOT,
    tokens.ATOMIC_GROUP,
    tokens.POSSESSIVE_REPEAT,
)


def _ways(tree: Any, *, repeated: bool) -> int:
    """In how many ways the expression can be tried: each choice multiplies.

    A repetition or an alternative inside a repetition has exponentially many.
    """
    ways = 1
    for operation, argument in tree:
        if operation in REFUSED:
            raise ValueError(
                "back-references, look-around and possessive repetitions are not accepted"
            )
        if repeated and (operation in REPEATS or operation is tokens.BRANCH):
            raise ValueError("a choice inside a repetition can explode; flatten it")
        if operation in REPEATS:
            ways *= _repetition(*argument)
        elif operation is tokens.SUBPATTERN:
            ways *= _ways(argument[-1], repeated=repeated)
        elif operation is tokens.BRANCH:
            ways *= sum(_ways(branch, repeated=False) for branch in argument[1])
    return ways


def _repetition(low: int, high: int, inner: Any) -> int:
    unbounded = high is tokens.MAXREPEAT
    if max(low, 0 if unbounded else high) > MAX_REPEAT:
        raise ValueError(f"a repetition can be {MAX_REPEAT} times at most")
    times = UNBOUNDED if unbounded else high - low + 1
    return times * _ways(inner, repeated=(low, high) != (0, 1))
