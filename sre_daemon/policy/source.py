"""The policy as it is on disk now: read again at every decision, parsed again when it changed."""

from pathlib import Path

from sre_daemon import documents
from sre_daemon.errors import PolicyFileError
from sre_daemon.policy.file import Policy, parse


class PolicyFile:
    """One file, or none. What cannot be used raises: callers refuse then, they do not guess."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._text: str | None = None
        self._policy: Policy | None = None

    def current(self) -> Policy | None:
        """None when no policy file is configured.

        Raises:
            PolicyFileError: it is missing, unreadable or wrong.
        """
        if self._path is None:
            return None
        text = documents.read(self._path, PolicyFileError)
        # A file of a few kB from the page cache; parsing it costs more, so that is skipped.
        if text != self._text:
            self._text = None
            self._policy = parse(text, str(self._path))
            self._text = text
        return self._policy
