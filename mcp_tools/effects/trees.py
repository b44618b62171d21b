"""YAML and JSON as keys with places; both are read by the YAML composer, which knows the places."""

import json
from typing import Any

from mcp_tools.effects.document import Entry, Style, Unreadable
from mcp_tools.effects.lines import flatten, scalar

QUOTES = {'"': Style.DOUBLE, "'": Style.SINGLE}
MAX_DEPTH = 40


def read_json(text: str) -> tuple[Entry, ...]:
    """Every scalar; duplicate keys are refused, because readers differ in which one counts."""
    try:
        tree = json.loads(
            text.removeprefix("\ufeff"), object_pairs_hook=_unique, parse_int=str, parse_float=str
        )
    except (ValueError, RecursionError) as failure:
        raise Unreadable(f"The file is not valid JSON: {failure}.") from None
    expected = {key: scalar(value) for key, value in flatten(tree).items()}
    entries = read_yaml(text)
    # JSON is nearly YAML; where the two disagree, the place is not certain.
    if {entry.key: entry.value for entry in entries} == expected:
        return entries
    return tuple(Entry(key, value, 0, 0, 0, Style.FIXED) for key, value in expected.items())


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return tree


def read_yaml(text: str) -> tuple[Entry, ...]:
    """Every scalar; those on one line without escapes, anchors or tags can be written."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except (YAMLError, ValueError, RecursionError) as failure:
        problem = str(getattr(failure, "problem", None) or type(failure).__name__)
        raise Unreadable(f"The file is not valid YAML: {problem.splitlines()[0]}.") from None
    entries: list[Entry] = []
    if root is not None:
        _Walk(text, entries).visit(root, "", 0)
    return tuple(entries)


class _Walk:
    """Collects the scalars of a composed tree; an aliased node is seen once and then fixed."""

    def __init__(self, text: str, entries: list[Entry]) -> None:
        self._text = text
        self._entries = entries
        self._seen: set[int] = set()

    def visit(self, node: Any, key: str, depth: int) -> None:
        """Go through one node.

        Raises:
            Unreadable: nested too deeply, or a key that is no plain word.
        """
        if depth > MAX_DEPTH:
            raise Unreadable(f"The file is nested more than {MAX_DEPTH} levels deep.")
        again = id(node) in self._seen
        self._seen.add(id(node))
        if node.id == "scalar":
            self._scalar(node, key, fixed=again)
        elif again:
            # Following aliases again and again is how a small file becomes a huge one.
            return
        elif node.id == "mapping":
            for name, child in node.value:
                self.visit(child, self._join(key, name), depth + 1)
        else:
            for index, child in enumerate(node.value):
                self.visit(child, f"{key}.{index}" if key else str(index), depth + 1)

    def _join(self, key: str, name: Any) -> str:
        if name.id != "scalar":
            raise Unreadable("The file has a key that is a list or a mapping.")
        return f"{key}.{name.value}" if key else str(name.value)

    def _scalar(self, node: Any, key: str, *, fixed: bool) -> None:
        start, end = node.start_mark.index, node.end_mark.index
        raw = self._text[start:end]
        style = QUOTES.get(node.style or "", Style.PLAIN)
        if style is not Style.PLAIN:
            start, end = start + 1, end - 1
        if fixed or node.anchor or node.style in {"|", ">"} or self._text[start:end] != node.value:
            style = Style.FIXED
            end = start
        value = str(node.value)
        if style is Style.FIXED and not value:
            value = raw
        self._entries.append(
            Entry(key, value, start, end, self._line(node.start_mark.index), style)
        )

    def _line(self, position: int) -> int:
        return self._text.rfind("\n", 0, position) + 1
