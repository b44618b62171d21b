"""The record of deploys: one JSON line each, with the configuration that went out and what changed."""

import json
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

from stack import envfile

SECRET_WORDS = ("PASSWORD", "SECRET", "TOKEN")


def record(file: Path, config: Path, service: str, author: str, message: str) -> None:
    """Append a deploy of `service` with the configuration file as it is now."""
    name = f"config/{config.name}"
    now = {key: _shown(key, value) for key, value in envfile.read(config).items()}
    before = _last(file, service).get(name, {})
    changes = [
        {"path": name, "key": key, "before": before.get(key), "after": value}
        for key, value in now.items()
        if before and before.get(key) != value
    ]
    line = json.dumps(
        {
            "time": datetime.now(UTC).isoformat(),
            "service": service,
            "author": author,
            "message": message,
            "revision": secrets.token_hex(4),
            "config": {name: now},
            "changes": changes,
        }
    )
    with file.open("a", encoding="utf-8") as out:
        out.write(line + "\n")
        out.flush()
        os.fsync(out.fileno())


def _shown(key: str, value: str) -> str:
    return "***" if any(word in key for word in SECRET_WORDS) else value


def _last(file: Path, service: str) -> dict[str, dict[str, str]]:
    if not file.exists():
        return {}
    for line in reversed(file.read_text(encoding="utf-8").splitlines()):
        entry = json.loads(line)
        if entry["service"] == service:
            config: dict[str, dict[str, str]] = entry["config"]
            return config
    return {}
