"""Text for Slack: foreign text stays text, and Markdown of the agent becomes mrkdwn.

Slack has an escape for `& < >` only. What would begin or end bold, italic, struck or code text, a
quotation or an emoji is therefore kept apart from its neighbour by a space of no width.
"""

import re
from collections.abc import Iterator, Sequence

from sre_daemon.domain import redaction
from sre_daemon.text import visible

# A section takes 3,000 characters.
CHUNK = 2900
APART = "\u200b"
FORMAT = re.compile(r"`|(?<![^\W_])[*_~]|[*_~](?![^\W_])|^(?=\s*&gt;)", re.MULTILINE)
EMOJI = re.compile(r":(?=[a-z0-9_+'-]*[a-z][a-z0-9_+'-]*:)", re.IGNORECASE)
INLINE = re.compile(
    r"\\(?P<literal>[\\`*_\[\]<>|#!])"
    r"|`(?P<code>[^`\n]+)`"
    r"|\*\*(?P<bold>[^*\n]+)\*\*|__(?P<strong>[^_\n]+)__"
    r"|(?<![\w*])\*(?P<it>[^*\s][^*\n]*)\*(?![\w*])|(?<![\w_])_(?P<em>[^_\s][^_\n]*)_(?![\w_])"
    r"|!?\[(?P<name>[^\]\n]*)\]\((?P<link>[^)\s]+)\)"
)
FENCE = "```"


def escaped(text: str) -> str:
    """With Slack's three special characters as entities, secrets masked, and nothing unseen."""
    shown = visible(redaction.hide(text))
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def foreign(text: str) -> str:
    """Somebody else's text inside of mrkdwn: it cannot mention, link or format anything."""
    return EMOJI.sub(f":{APART}", FORMAT.sub(lambda found: APART + found[0], escaped(text)))


def line(text: str, limit: int = 200) -> str:
    """The same on one line, cut to `limit` characters before it is escaped."""
    whole = " ".join(visible(redaction.hide(text)).split())
    return foreign(whole if len(whole) <= limit else f"{whole[: limit - 1]}…")


def code(text: str, limit: int = 300) -> str:
    """Foreign text as code within a line."""
    inner = " ".join(escaped(text[:limit]).split()).replace("`", "'")
    return f"`{inner}`" if inner else ""


def converted(markdown: str) -> str:
    """Markdown as mrkdwn: headings, bold, italics, lists, links, code and tables."""
    return "\n".join(_lines(markdown.splitlines()))


def _lines(lines: Sequence[str]) -> Iterator[str]:
    fenced = table = False
    for item in lines:
        if item.lstrip().startswith(FENCE):
            if table:
                yield FENCE
                table = False
            fenced = not fenced
            yield FENCE
            continue
        row = not fenced and item.lstrip().startswith("|")
        if row != table:
            # Slack has no tables: as code their columns stay under each other.
            yield FENCE
            table = row
        yield _code_line(item) if fenced or row else _line(item)
    if fenced or table:
        yield FENCE


def _code_line(item: str) -> str:
    return escaped(item).replace(FENCE, "'''")


def _line(item: str) -> str:
    heading = re.match(r"\s{0,3}#{1,6}\s+(.*?)\s*#*$", item)
    if heading:
        plain = re.sub(r"\*\*|`", "", heading[1])
        return f"*{foreign(plain)}*" if plain.strip() else ""
    bullet = re.match(r"(\s*)[-*+]\s+(.*)$", item)
    if bullet:
        return f"{bullet[1]}• {_inline(bullet[2])}"
    quoted = re.match(r"\s{0,3}>\s?(.*)$", item)
    return f"> {_inline(quoted[1])}" if quoted else _inline(item)


def _inline(text: str) -> str:
    parts, at = [], 0
    for found in INLINE.finditer(text):
        parts += [foreign(text[at : found.start()]), _marked(found)]
        at = found.end()
    return "".join([*parts, foreign(text[at:])])


def _marked(found: re.Match[str]) -> str:
    if found["literal"]:
        return foreign(found["literal"])
    if found["code"]:
        return code(found["code"], CHUNK // 2)
    if found["link"]:
        # Said, not linked: where a link leads is foreign too.
        name = found["name"]
        return foreign(f"{name} ({found['link']})" if name else found["link"])
    strong = found["bold"] or found["strong"]
    mark, inner = ("*", strong) if strong else ("_", found["it"] or found["em"])
    return f"{mark}{foreign(inner.strip())}{mark}" if inner.strip() else ""


def chunks(text: str, limit: int = CHUNK) -> list[str]:
    """Mrkdwn in parts of at most `limit` characters, cut between lines; code stays code in each."""
    parts: list[str] = []
    lines: list[str] = []
    size, fenced = 0, False
    room = limit - 2 * len(FENCE) - 2
    for item in (piece for whole in text.split("\n") for piece in _pieces(whole, room)):
        if lines and size + len(item) + 1 > room:
            parts.append("\n".join([*lines, FENCE] if fenced else lines))
            lines = [FENCE] if fenced else []
            size = sum(len(kept) + 1 for kept in lines)
        fenced ^= item == FENCE
        lines.append(item)
        size += len(item) + 1
    parts.append("\n".join([*lines, FENCE] if fenced else lines))
    return [part for part in parts if part.strip("`\n ")]


def _pieces(item: str, limit: int) -> Iterator[str]:
    while len(item) > limit:
        cut = limit
        # Not in the middle of an entity.
        begun = item.rfind("&", cut - 5, cut)
        if begun > 0 and ";" not in item[begun:cut]:
            cut = begun
        yield item[:cut]
        item = item[cut:]
    yield item
