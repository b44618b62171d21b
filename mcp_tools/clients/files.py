"""The `config/` tree, reached only through directory descriptors, so that no path can lead out.

Each component is opened without following links; the file must be a regular one with a single
name, small, and UTF-8 text. All functions block: call them in a thread.
"""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

from mcp_tools.errors import Refused, ToolError

RULE = "path_not_allowed"
FOLDER = "config"
MAX_BYTES = 256 * 1024
MAX_DEPTH = 8
MAX_COPIES = 5
# O_NONBLOCK, because opening a FIFO without it would wait for a writer for ever.
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FOLDER_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Kept:
    """A copy of a file as it was before a change, and when the change was."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file's content at one moment."""

    path: str
    data: bytes
    text: str

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the bytes."""
        return hashlib.sha256(self.data).hexdigest()


class ConfigTree:
    """The folder `config/` below a root."""

    def __init__(self, root: Path, backups: Path | None) -> None:
        self._root = root
        self._backups = backups

    def read(self, path: str) -> ConfigFile:
        """Read one file; `path` is written as `config/...`.

        Raises:
            Refused: the path could lead elsewhere, or the file is none that may be read.
            ToolError: there is no such file.
        """
        parts = _parts(path)
        with self._folder(parts, path) as folder:
            return _read(folder, parts[-1], path)

    def names(self) -> list[str]:
        """The files directly in `config/`, as paths that `read` takes; at most 50."""
        try:
            found = sorted(item.name for item in (self._root / FOLDER).iterdir())
        except OSError:
            return []
        return [f"{FOLDER}/{name}" for name in found[:50]]

    def modified(self) -> list[tuple[str, datetime]]:
        """The regular files directly in `config/`, and when each was last written."""
        found = []
        for path in self.names():
            with suppress(OSError):
                status = os.lstat(self._root / path)
                if stat.S_ISREG(status.st_mode):
                    found.append((path, datetime.fromtimestamp(status.st_mtime, UTC)))
        return found

    def kept_copies(self, path: str) -> list[Kept]:
        """The newest copies of a file, newest first; none when none can be read."""
        if self._backups is None:
            return []
        found = []
        name = re.compile(re.escape(path.replace("/", "__")) + r"\.[0-9a-f]{16}")
        with suppress(OSError):
            copies = [item for item in self._backups.iterdir() if name.fullmatch(item.name)]
            # Touched when the same content is kept again, so the time is that of the last change.
            newest = sorted(copies, key=lambda item: item.stat().st_mtime, reverse=True)
            for copy in newest[:MAX_COPIES]:
                data = copy.read_bytes()[:MAX_BYTES]
                at = datetime.fromtimestamp(copy.stat().st_mtime, UTC)
                found.append(Kept(at, data.decode("utf-8", "replace")))
        return found

    def replace(self, before: ConfigFile, text: str) -> tuple[ConfigFile, str]:
        """Write a new content in one step, if the file is still exactly `before`.

        Returns:
            The file as read back, and the path of the kept copy.

        Raises:
            Refused: the file has changed meanwhile; nothing was written.
            ToolError: it cannot be written.
        """
        parts = _parts(before.path)
        data = text.encode("utf-8")
        with self._folder(parts, before.path) as folder:
            _compare(folder, parts[-1], before)
            copy = self._keep(before)
            try:
                _swap(folder, parts[-1], data, before)
            except OSError as failure:
                raise ToolError(
                    f"{before.path} cannot be written: {failure.strerror}."
                ) from failure
            after = _read(folder, parts[-1], before.path)
        if after.data != data:
            raise ToolError(
                f"{before.path} does not have the intended content after the write.",
                f"Compare it with the copy {copy}.",
            )
        return after, copy

    def kept(self, path: str, text: str) -> bool:
        """Whether a copy with exactly this content was kept before an earlier change of this file."""
        if self._backups is None:
            return False
        data = text.encode("utf-8")
        try:
            return (self._backups / _copy_name(path, data)).read_bytes() == data
        except OSError:
            return False

    @contextmanager
    def _folder(self, parts: list[str], path: str) -> Iterator[int]:
        opened: list[int] = []
        try:
            opened.append(os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            for part in parts[:-1]:
                opened.append(os.open(part, FOLDER_FLAGS, dir_fd=opened[-1]))
            yield opened[-1]
        except OSError as failure:
            raise _explain(failure, path, self.names()) from failure
        finally:
            for descriptor in opened:
                os.close(descriptor)

    def _keep(self, before: ConfigFile) -> str:
        """Keep a copy, named by path and digest, outside `config/`."""
        if self._backups is None:
            raise Refused("no_backup", "There is no folder for copies.", "Configure `postmortems`.")
        name = _copy_name(before.path, before.data)
        try:
            self._backups.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder = os.open(self._backups, FOLDER_FLAGS)
            try:
                _write_new(folder, name, before.data, 0o600)
            except FileExistsError:
                os.utime(name, dir_fd=folder)  # the same content was kept before
            finally:
                os.close(folder)
        except OSError as failure:
            raise ToolError(
                f"No copy can be kept: {failure.strerror}. Nothing was changed."
            ) from failure
        return str(self._backups / name)


def _copy_name(path: str, data: bytes) -> str:
    return f"{path.replace('/', '__')}.{hashlib.sha256(data).hexdigest()[:16]}"


def _parts(path: str) -> list[str]:
    """The components of a path that stays below `config/` by its spelling alone."""
    if "\0" in path or "\\" in path or len(path) > 500:
        raise Refused(RULE, "The path has characters that no configuration file has.")
    parts = path.split("/")
    if path.startswith("/") or parts[0] != FOLDER or len(parts) < 2:
        raise Refused(RULE, f"{path!r} is not below {FOLDER}/.", f"Write it as {FOLDER}/NAME.")
    if any(part in {"", ".", ".."} for part in parts) or len(parts) > MAX_DEPTH:
        raise Refused(RULE, f"{path!r} is not a plain path.", f"Write it as {FOLDER}/NAME.")
    return parts


def _explain(failure: OSError, path: str, names: list[str]) -> ToolError:
    if failure.errno == errno.ENOENT:
        return ToolError(f"There is no file {path}.", f"Files: {', '.join(names) or 'none'}.")
    if failure.errno in {errno.ELOOP, errno.ENOTDIR}:
        return Refused(RULE, f"{path} goes through a link or something that is no folder.")
    if failure.errno == errno.ENXIO:
        return Refused(RULE, f"{path} is not a regular file.")
    return ToolError(f"{path} cannot be opened: {failure.strerror}.")


def _read(folder: int, name: str, path: str) -> ConfigFile:
    descriptor = os.open(name, FILE_FLAGS, dir_fd=folder)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Refused(RULE, f"{path} is not a regular file.")
        if status.st_nlink != 1:
            raise Refused(RULE, f"{path} has a second name (a hard link), so it may lie elsewhere.")
        if status.st_size > MAX_BYTES:
            raise Refused(RULE, f"{path} is larger than {MAX_BYTES} bytes.")
        with os.fdopen(os.dup(descriptor), "rb") as file:
            data = file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(RULE, f"{path} is not UTF-8 text.") from None
    if len(data) > MAX_BYTES or "\0" in text:
        raise Refused(RULE, f"{path} is not a text file of at most {MAX_BYTES} bytes.")
    return ConfigFile(path, data, text)


def _compare(folder: int, name: str, before: ConfigFile) -> None:
    """Refuse when the file is not exactly as it was, or is another kind of file by now."""
    if _read(folder, name, before.path).data != before.data:
        raise Refused("target_changed", f"{before.path} has changed meanwhile.", "Read it again.")


def _swap(folder: int, name: str, data: bytes, before: ConfigFile) -> None:
    """Replace a file's content atomically, keeping its mode and owner.

    Compared once more when everything is written and only the renaming is left.
    """
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    temporary = f".{name}.{token_hex(8)}"
    try:
        _write_new(folder, temporary, data, stat.S_IMODE(status.st_mode), status)
        _compare(folder, name, before)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except (OSError, ToolError):
        _remove(folder, temporary)
        raise
    os.fsync(folder)


def _remove(folder: int, name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def _write_new(
    folder: int, name: str, data: bytes, mode: int, owner: os.stat_result | None = None
) -> None:
    """Create a file that must not exist yet, and make it durable."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    with os.fdopen(descriptor, "wb") as file:
        if owner is not None and (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.fsync(folder)
