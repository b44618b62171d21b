"""The policy as it is on disk now: read again at every decision, parsed again when it changed."""

from pathlib import Path

from sre_daemon.policy.file import Policy, load


class PolicyFile:
    """One file, or none. What cannot be used raises: callers refuse then, they do not guess."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._bytes: bytes | None = None
        self._policy: Policy | None = None

    def current(self) -> Policy | None:
        """None when no policy file is configured.

        Raises:
            PolicyFileError: it is missing, unreadable or wrong.
        """
        if self._path is None:
            return None
        try:
            content = self._path.read_bytes()
        except OSError:
            content = None
        # A file of a few kB from the page cache; parsing it costs more, so that is skipped.
        if content is None or content != self._bytes:
            self._policy = None
            self._policy = load(self._path)
            self._bytes = content
        return self._policy
