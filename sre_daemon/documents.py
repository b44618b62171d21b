"""Files that the operator writes: strict YAML in, a validated pydantic model out, errors with line numbers.

Strict means: safe types only, duplicate keys and aliases refused, a size cap, and unknown keys
refused by the models themselves (`extra="forbid"`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from sre_daemon.errors import ConfigError

M = TypeVar("M", bound=BaseModel)

MAX_BYTES = 1 << 20


def load(path: Path, model: type[M], error: type[ConfigError] = ConfigError) -> M:
    """Read and validate one file.

    Raises:
        ConfigError: (or the given subclass) naming file, line and key of every mistake.
    """
    return parse(read(path, error), model, str(path), error)


def read(path: Path, error: type[ConfigError] = ConfigError) -> str:
    """The file's text."""
    try:
        data = path.read_bytes()
        if len(data) > MAX_BYTES:
            raise error(f"{path}: larger than {MAX_BYTES} bytes", "split or shorten it")
        return data.decode("utf-8")
    except OSError as failure:
        raise error(
            f"{path}: cannot be read: {failure.strerror}", "check the path and its permissions"
        ) from failure
    except UnicodeDecodeError as failure:
        raise error(f"{path}: is not UTF-8", "save it as UTF-8 text") from failure


def parse(
    text: str,
    model: type[M],
    name: str,
    error: type[ConfigError] = ConfigError,
    first_line: int = 1,
) -> M:
    """Validate YAML text; `first_line` is where it starts within the file called `name`."""
    return located(text, model, name, error, first_line)[0]


@dataclass(frozen=True, slots=True)
class Lines:
    """Where the parts of one document stand in its file."""

    tree: Any
    first: int = 1

    def of(self, *place: int | str) -> int:
        """The line of the deepest part of `place` that is there: keys and positions from the top."""
        return _find(self.tree, place)[0] + self.first


def located(
    text: str,
    model: type[M],
    name: str,
    error: type[ConfigError] = ConfigError,
    first_line: int = 1,
) -> tuple[M, Lines]:
    """The same as `parse`, with the lines of everything in it."""
    tree = _tree(text, name, error, first_line)
    try:
        return model.model_validate(tree), Lines(tree, first_line)
    except ValidationError as failure:
        found = failure.errors(include_url=False, include_context=False)
        places = [item["loc"] for item in found]
        mistakes = []
        for item in found:
            if item["type"] == "too_short" and any(_inside(item["loc"], place) for place in places):
                continue  # a list that is only short because what is in it is wrong
            line, path = _find(tree, item["loc"])
            mistakes.append(f"{name}:{line + first_line}: {path or 'document'}: {item['msg']}")
        raise error("; ".join(mistakes), "see docs/configuration.md and docs/policy.md") from None


def _tree(text: str, name: str, error: type[ConfigError], first_line: int) -> Any:
    loader = YAML(typ="rt", pure=True)
    loader.allow_duplicate_keys = False
    loader.version = (1, 2)
    try:
        tree = loader.load(text)
    except MarkedYAMLError as failure:
        mark = failure.problem_mark or failure.context_mark
        line = (mark.line if mark else 0) + first_line
        problem = str(failure.problem or failure.context).splitlines()[0]
        raise error(f"{name}:{line}: not valid YAML: {problem}") from None
    except (YAMLError, ValueError, RecursionError) as failure:
        raise error(f"{name}: not valid YAML: {type(failure).__name__}") from None
    if tree is None:
        tree = CommentedMap()
    if not isinstance(tree, CommentedMap):
        raise error(f"{name}:{first_line}: the document must be a mapping of keys to values")
    _refuse_aliases(tree, name, error, first_line, set())
    return tree


def _refuse_aliases(
    node: Any, name: str, error: type[ConfigError], first_line: int, seen: set[int]
) -> None:
    if not isinstance(node, CommentedMap | CommentedSeq):
        return
    if id(node) in seen:
        raise error(f"{name}:{node.lc.line + first_line}: YAML aliases are not accepted here")
    seen.add(id(node))
    for child in node.values() if isinstance(node, CommentedMap) else node:
        _refuse_aliases(child, name, error, first_line, seen)


Place = Sequence[int | str]


def _inside(outer: Place, inner: Place) -> bool:
    return len(inner) > len(outer) and tuple(inner[: len(outer)]) == tuple(outer)


def _find(tree: Any, location: Place) -> tuple[int, str]:
    """The 0-based line of the deepest part of `location` that exists, and the path to show.

    A step between that is not in the file is the name of a variant, which pydantic adds.
    """
    line, node = 0, tree
    path: list[str] = []
    for number, step in enumerate(location):
        if isinstance(node, CommentedMap) and step in node:
            line, node = node.lc.key(step)[0], node[step]
        elif isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
            line, node = node.lc.item(step)[0], node[step]
        elif number < len(location) - 1:
            continue
        path.append(str(step))
    return int(line), ".".join(path)
