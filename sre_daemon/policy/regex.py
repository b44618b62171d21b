"""Regular expressions as Alertmanager reads them, by RE2: the same syntax, and time linear in the text.

An expression that could explode elsewhere cannot here, and what RE2 does not know (back-references,
look-around) Alertmanager does not know either.
"""

import re

import re2

MAX_LENGTH = 1024
# A single byte: the one thing of RE2's syntax that Go's does not have.
BYTE = re.compile(r"(?<!\\)(?:\\\\)*\\C")


class Expression:
    """A compiled expression; it must match the whole text.

    Raises:
        ValueError: it is none, or too long to be reviewed.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > MAX_LENGTH:
            raise ValueError(f"the expression is longer than {MAX_LENGTH} characters")
        if BYTE.search(text):
            raise ValueError(f"{text!r} is not a regular expression: \\C is not one character")
        try:
            self._compiled = re2.compile(text, _options())
        except (re2.error, UnicodeEncodeError) as failure:
            raise ValueError(f"{text!r} is not a regular expression: {_said(failure)}") from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def matches(self, text: str) -> bool | None:
        """Whether the whole text matches; None when it is no Unicode text at all."""
        try:
            return self._compiled.fullmatch(text) is not None
        except UnicodeEncodeError:
            return None


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    return options


def _said(failure: Exception) -> str:
    """RE2's own words, which it gives as bytes."""
    said = failure.args[0] if failure.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(failure)
