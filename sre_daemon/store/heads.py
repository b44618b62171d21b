"""Signed heads of the audit log: a file beside the store, so that its end cannot go missing unseen.

One JSON object per line, only ever appended to.
"""

import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from secrets import token_hex

from sre_daemon.domain.audit import Head
from sre_daemon.errors import ConfigError

FILE = "audit-heads.jsonl"
KEY_FILE = "audit.key"


def add(folder: Path, head: Head) -> None:
    """Append, and return when it is on the disk."""
    line = {"seq": head.seq, "hash": head.hash, "at": head.at.isoformat(), "mac": head.mac}
    with (folder / FILE).open("a", encoding="ascii") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def known(folder: Path) -> Iterator[tuple[int, Head | None]]:
    """Line number and head, or None where a line is none (a power cut may leave half of one)."""
    file = folder / FILE
    if not file.exists():
        return
    with file.open(encoding="ascii", errors="replace") as opened:
        for number, line in enumerate(opened, 1):
            yield number, _read(line)


def _read(line: str) -> Head | None:
    try:
        data = json.loads(line)
        at = datetime.fromisoformat(data["at"])
        seq, hash_, mac = data["seq"], data["hash"], data["mac"]
    except (ValueError, KeyError, TypeError):
        return None
    if at.tzinfo is None or not isinstance(seq, int) or not isinstance(hash_, str):
        return None
    return Head(seq, hash_, at, mac) if isinstance(mac, str) else None


def key(folder: Path, secret: str) -> bytes:
    """The key that heads are signed with: the secret, or else one that is made in the folder.

    Raises:
        ConfigError: the file is there and is no key.
    """
    if secret:
        return secret.encode("utf-8", "surrogatepass")
    file = folder / KEY_FILE
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(token_hex(32), encoding="ascii")
    try:
        return bytes.fromhex(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        raise ConfigError(f"{file}: is no key", "put back the one that signed the heads") from None
