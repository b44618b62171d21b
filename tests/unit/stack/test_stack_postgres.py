"""PostgreSQL never runs as root, wherever the project lies."""

import os
import tempfile
from pathlib import Path

import pytest

from stack import postgres


@pytest.fixture
def public():
    """A folder that everybody may enter; those of pytest are private."""
    with tempfile.TemporaryDirectory(prefix="sre-daemon-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("private", ["neither", "binaries", "data"])
def test_root_becomes_nobody_or_is_mapped_away_where_nobody_may_not_go(
    public, private, monkeypatch
):
    folders = {name: public / name for name in ("binaries", "data")}
    for name, folder in folders.items():
        folder.mkdir(mode=0o700 if name == private else 0o755)
    monkeypatch.setattr(postgres, "binaries", lambda: folders["binaries"])
    prefix = postgres.prefix(folders["data"])
    if os.geteuid() == 0:
        assert prefix[0] == ("setpriv" if private == "neither" else "unshare")
    else:
        assert prefix == ()
