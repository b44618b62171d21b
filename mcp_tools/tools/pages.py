"""A post-mortem as a page in Confluence's storage format, and a page as text again.

Whatever the texts are, the page is valid: they are escaped, and characters that XML cannot have
are made visible.
"""

import re
from collections.abc import Mapping, Sequence
from html import escape, unescape
from typing import Any

from mcp_tools.effects.form import mark
from mcp_tools.redaction import hide
from mcp_tools.spec import clean

HEADER = ("Task", "Owner", "Due date", "Status")
EMPTY = "To be added."
MARK = "Key of this page: "
KEY = re.compile(rf"{MARK}(sre-[0-9a-f]{{32}})")
BREAKS = re.compile(r"<(?:/(?:p|h[1-6]|li|tr|ul|ol|table)|br ?/|hr ?/)>")
CELLS = re.compile(r"</t[dh]>")
ITEMS = re.compile(r"<li[^>]{0,200}>")
TAGS = re.compile(r"<[^<>]{0,2000}>")
BLANKS = re.compile(r"\n{3,}")
# What XML 1.0 has no place for, and clean() leaves.
UNFIT = re.compile("[\ufffe\uffff]")


def key_of(space: str, title: str, body: str) -> str:
    """The name of exactly this page, written at its end: by it we know it as ours."""
    return mark(space, title, body)


def storage(sections: Mapping[str, Any], key: str, incident_url: str) -> str:
    """The page."""
    incident = sections["pagerduty_incident_id"]
    parts = [_heading("Incident summary"), _paragraphs(sections["incident_summary"])]
    if incident:
        name = _text(f"PagerDuty incident {incident}")
        link = f'<a href="{escape(incident_url)}">{name}</a>' if incident_url else name
        parts.append(f"<p>{link}</p>")
    parts += [
        _heading("Timeline"),
        _bullets(sections["timeline"]),
        _heading("Root cause"),
        _paragraphs(sections["root_cause"]),
        _heading("Impact"),
        _paragraphs(sections["impact"]),
        _heading("Remediation"),
        _bullets(sections["remediation_steps"]),
        _heading("Action items"),
        _table(sections["action_items"]),
        f"<hr /><p>Written by sre-daemon. {MARK}{key}</p>",
    ]
    return "".join(parts)


def plain(page: str) -> str:
    """A page in storage format as text: paragraphs, bullets, and cells with bars between them."""
    text = ITEMS.sub("- ", CELLS.sub(" | ", BREAKS.sub("\n", page)))
    lines = (line.strip() for line in unescape(TAGS.sub("", text)).splitlines())
    return BLANKS.sub("\n\n", "\n".join(lines)).strip()


def key_in(text: str) -> str:
    """The key that a page carries, or empty."""
    found = KEY.search(text)
    return found[1] if found else ""


def _text(text: str) -> str:
    return escape(UNFIT.sub("\ufffd", hide(clean(text))))


def _heading(text: str) -> str:
    return f"<h1>{_text(text)}</h1>"


def _paragraphs(text: str) -> str:
    lines = _text(text or EMPTY).split("\n")
    return "".join(f"<p>{line}</p>" for line in lines if line.strip())


def _bullets(items: Sequence[str]) -> str:
    if not items:
        return _paragraphs("")
    return f"<ul>{''.join(f'<li>{_text(item)}</li>' for item in items)}</ul>"


def _table(items: Sequence[Mapping[str, str]]) -> str:
    if not items:
        return _paragraphs("")
    rows = [
        (item["task"], item["owner"] or "TBD", item["due_date"] or "TBD", "Open") for item in items
    ]
    head = "".join(f"<th>{name}</th>" for name in HEADER)
    body = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tbody><tr>{head}</tr>{body}</tbody></table>"
