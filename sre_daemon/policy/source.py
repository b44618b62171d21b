"""The policy in force: put there whole by a reload, or not at all.

A file that is being written can be a valid policy that allows more than its author means: the last
line, the one that would have said `ask`, is not there yet. So an edit counts when somebody says
so, and a file that cannot be used leaves the policy before it in force. A file that is gone or
cannot be read is a no at once, whatever was in force: to take the file away is what people do in
a hurry.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sre_daemon import documents
from sre_daemon.errors import PolicyFileError
from sre_daemon.policy.file import Policy, parse


@dataclass(frozen=True, slots=True)
class Standing:
    """How the policy in force and the file are to each other.

    `digest` is that of the policy in force, empty where there is none. `differs`: the file on disk
    is another one now. `failure`: why the last reload was refused, empty where it was not.
    """

    digest: str
    differs: bool
    failure: str


class PolicyFile:
    """One file, or none. What cannot be used raises: callers refuse then, they do not guess."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._policy: Policy | None = None
        self._failure: PolicyFileError | None = None
        self._tried = False

    def read(self) -> Policy | None:
        """The policy in the file; None when no policy file is configured. Puts nothing in force.

        Raises:
            PolicyFileError: it is missing, unreadable or wrong.
        """
        self._tried = True
        if self._path is None:
            return None
        try:
            return parse(documents.read(self._path, PolicyFileError), str(self._path))
        except PolicyFileError as failure:
            self._failure = failure
            raise

    def put(self, policy: Policy | None) -> None:
        """Put in force what was read."""
        self._policy, self._failure = policy, None

    def current(self) -> Policy | None:
        """The policy in force; None when no policy file is configured. The first call loads it.

        Raises:
            PolicyFileError: none was ever good, or the file is gone or cannot be read.
        """
        if self._path is None:
            return None
        if not self._tried:
            self.put(self.read())
        try:
            self._path.open("rb").close()
        except OSError as failure:
            raise PolicyFileError(
                f"{self._path}: cannot be read: {failure.strerror}",
                "put it back; until then nothing is changed",
            ) from failure
        if self._policy is None and self._failure is not None:
            raise self._failure
        return self._policy

    def standing(self) -> Standing:
        """For status and metrics."""
        digest = self._policy.digest if self._policy else ""
        return Standing(digest, self._on_disk() != digest, str(self._failure or ""))

    def _on_disk(self) -> str:
        """The digest of what is on disk now; empty where there is nothing."""
        try:
            return hashlib.sha256(self._path.read_bytes()).hexdigest() if self._path else ""
        except OSError:
            return ""
