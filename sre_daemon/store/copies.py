"""Copies of the SQLite file: taken while the daemon runs, put back while it does not."""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from sre_daemon.errors import ConfigError, MigrationFailed, StoreUnavailable
from sre_daemon.store.schema import MIGRATIONS

FILE = "sre-daemon.sqlite3"


def backup(data: Path, target: Path) -> int:
    """Write a consistent copy of the store in `data`, with everything committed so far; its bytes.

    Raises:
        ConfigError: the target exists, or there is no store.
        StoreUnavailable: the disk is full, or the store cannot be read.
    """
    source = data / FILE
    if not source.exists():
        raise ConfigError(f"{source} does not exist", "check data_dir, and that store is sqlite")
    if target.exists():
        raise ConfigError(f"{target} exists", "choose another name; nothing is overwritten")
    partial = target.with_name(target.name + ".partial")
    try:
        with _connected(source) as store, _connected(partial) as copy:
            # Page by page: the daemon goes on writing meanwhile.
            store.backup(copy, pages=1000)
        _whole(partial)
        os.link(partial, target)
    except FileExistsError:
        raise ConfigError(f"{target} exists", "choose another name") from None
    except (sqlite3.Error, OSError) as failure:
        raise StoreUnavailable(f"no copy was written: {failure}", "look at the disk") from failure
    finally:
        partial.unlink(missing_ok=True)
    _sync(target)
    return target.stat().st_size


def restore(data: Path, source: Path, now: datetime) -> Path | None:
    """Put a copy in the place of the store; where the store before it is now, if there was one.

    Raises:
        ConfigError: the daemon runs, or the copy is none of ours, damaged or too new.
        StoreUnavailable: the disk is full; the store is as it was.
    """
    with _stopped(data):
        _ours(source)
        target, partial = data / FILE, data / f"{FILE}.restored"
        aside = data / f"{FILE}.before-{now:%Y%m%dT%H%M%S}"
        try:
            partial.unlink(missing_ok=True)
            with _connected(source) as copy, _connected(partial) as store:
                copy.backup(store)
            _sync(partial)
            before = None
            if target.exists():
                with _connected(target) as store:
                    # What is still in the log beside the file belongs to it.
                    store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                target.rename(aside)
                before = aside
            for suffix in ("-wal", "-shm"):
                target.with_name(target.name + suffix).unlink(missing_ok=True)
            partial.rename(target)
            _sync(data)
            return before
        except (sqlite3.Error, OSError) as failure:
            partial.unlink(missing_ok=True)
            raise StoreUnavailable(f"not restored: {failure}", "look at the disk") from failure


def bodies(file: Path) -> Iterator[bytes]:
    """The raw notifications in a store's file or a copy of it, in the order of their arrival."""
    try:
        with _connected(file) as store:
            for (body,) in store.execute("SELECT body FROM notifications ORDER BY id"):
                yield bytes(body)
    except sqlite3.Error as failure:
        raise ConfigError(f"{file}: not a store of sre-daemon: {failure}") from failure


@contextlib.contextmanager
def _connected(file: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        yield connection


@contextlib.contextmanager
def _stopped(data: Path) -> Iterator[None]:
    """While this lasts no daemon can start on the directory."""
    try:
        with (data / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
    except BlockingIOError:
        raise ConfigError(f"a daemon runs on {data}", "stop it first") from None
    except FileNotFoundError:
        raise ConfigError(f"{data} does not exist", "make it, or check data_dir") from None


def _ours(file: Path) -> None:
    """Raise unless the file is whole, and of this version or an older one."""
    if not file.is_file():
        raise ConfigError(f"{file} does not exist", "name a file that `backup` wrote")
    try:
        _whole(file)
        with _connected(file) as copy:
            row = copy.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as failure:
        raise ConfigError(f"{file}: not a store of sre-daemon: {failure}") from None
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if row is None or row[0] not in known:
        raise MigrationFailed(
            f"{file} was written by a newer version", "install that version, then restore"
        )


def _whole(file: Path) -> None:
    with _connected(file) as copy:
        found = copy.execute("PRAGMA integrity_check").fetchone()
    if found != ("ok",):
        raise sqlite3.DatabaseError(f"damaged: {found[0]}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
