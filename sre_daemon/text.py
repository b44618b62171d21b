"""Foreign text made safe to look at: what a reader would not see is shown as its code point.

Escaping for HTML is the template engine's work; this is about characters that survive it: control
characters (a terminal obeys them), bidi overrides, zero-width and tag characters.
"""

import unicodedata

# Cc control, Cf format (bidi, zero-width, tags), Cs surrogates, Co private, Zl and Zp separators.
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Blank, although their category says letter or symbol; and variation selectors.
BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
KEPT = frozenset("\n\t")


def visible(text: str) -> str:
    """`text` with each invisible character as its code point; line feeds and tabs are kept."""
    if text.isprintable() and text.isascii():
        return text
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character in KEPT:
        return character
    hidden = (
        unicodedata.category(character) in INVISIBLE
        or character in BLANK
        or "\ufe00" <= character <= "\ufe0f"
        or "\U000e0100" <= character <= "\U000e01ef"
    )
    if not hidden:
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def line(text: str, limit: int = 200) -> str:
    """The same on one line, cut to `limit` characters."""
    whole = " ".join(visible(text).split())
    return whole if len(whole) <= limit else f"{whole[: limit - 1]}…"
