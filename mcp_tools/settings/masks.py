"""The installation's key of the masks that stand for secrets."""

import contextlib
import logging
import os
import secrets
from pathlib import Path

log = logging.getLogger(__name__)
KEY_BYTES = 32


def masking_key(path: Path | None) -> bytes:
    """The installation's key of the masks, made on first use.

    Without a file that can be read or made it is one of this process alone: masks then differ from
    those of others, but nothing is shown for that.
    """
    if path is None:
        return secrets.token_bytes(KEY_BYTES)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            # Linked into place whole: another process never sees half a key.
            fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
            fresh.touch(mode=0o600)
            fresh.write_text(secrets.token_hex(KEY_BYTES), encoding="ascii")
            with contextlib.suppress(FileExistsError):
                os.link(fresh, path)
            fresh.unlink()
        return bytes.fromhex(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as failure:
        log.warning("%s: no key of the masks can be read or made there: %s", path, failure)
        return secrets.token_bytes(KEY_BYTES)
