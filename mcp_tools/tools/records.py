"""The file of recorded deploys: one JSON line each, with the configuration that was deployed."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from mcp_tools.clients.files import ConfigTree
from mcp_tools.effects import document
from mcp_tools.errors import ToolError
from mcp_tools.redaction import shown
from mcp_tools.spec import Part

TAIL_BYTES = 1 << 20
SUFFIXES = (".env", ".yaml", ".yml", ".json", ".toml", ".ini", ".conf")


class KeyChange(Part):
    """A key that a deploy changed; an absent value is empty."""

    path: str
    key: str
    before: str
    after: str


class Record(Part):
    """One line of the deployments file; the configuration that the service was started with."""

    time: str
    service: str
    author: str = ""
    message: str = ""
    revision: str = ""
    config: dict[str, dict[str, str]] = Field(default_factory=dict)
    changes: list[KeyChange] = Field(default_factory=list)


def read_records(path: Path) -> list[Record]:
    """The records in the last part of the file, newest first; lines that cannot be read are skipped.

    Raises:
        ToolError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            lines = file.read(TAIL_BYTES).decode("utf-8", "replace").split("\n")
    except FileNotFoundError:
        return []
    except OSError as failure:
        raise ToolError(f"{path} cannot be read: {failure.strerror}.") from failure
    records = []
    for line in reversed(lines):
        try:
            records.append(Record.model_validate_json(line))
        except ValidationError:
            continue
    return records


def keys(files: ConfigTree, path: str) -> dict[str, str]:
    """A file's keys, secrets masked; nothing when it is gone or cannot be read as keys."""
    try:
        values = document.parse(path, files.read(path).text).values()
    except ToolError:
        return {}
    return {key: shown(key, value) for key, value in values.items()}


def snapshot(files: ConfigTree, service: str) -> dict[str, dict[str, str]]:
    """The configuration that a service is started with: the files in `config/` named after it."""
    paths = [f"config/{service}{suffix}" for suffix in SUFFIXES]
    found = {path: keys(files, path) for path in paths}
    return {path: values for path, values in found.items() if values}


def changes(
    before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]
) -> list[KeyChange]:
    """What differs between two snapshots."""
    found = []
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path, {}), after.get(path, {})
        found += [
            KeyChange(path=path, key=key, before=old.get(key, ""), after=new.get(key, ""))
            for key in sorted(old.keys() | new.keys())
            if old.get(key, "") != new.get(key, "")
        ]
    return found


def record(
    path: Path, time: str, service: str, message: str, config: Mapping[str, Mapping[str, str]]
) -> None:
    """Append one record and make it durable. Blocks.

    Raises:
        ToolError: the file cannot be written.
    """
    previous = next((item for item in read_records(path) if item.service == service), None)
    canonical = json.dumps(config, sort_keys=True)
    entry: dict[str, Any] = {
        "time": time,
        "service": service,
        "author": "sre-daemon",
        "message": message,
        "revision": hashlib.sha256(canonical.encode()).hexdigest()[:12],
        "config": config,
        "changes": _dumped(changes(previous.config, config) if previous else []),
    }
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(path, flags, 0o644), "rb+", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            # A line that a crash cut off must not swallow this one.
            torn = size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"
            file.write(("\n" if torn else "").encode() + json.dumps(entry).encode() + b"\n")
            os.fsync(file.fileno())
    except OSError as failure:
        raise ToolError(f"{path} cannot be written: {failure.strerror}.") from failure


def _dumped(items: Sequence[KeyChange]) -> list[dict[str, str]]:
    return [item.model_dump() for item in items]
