"""Who may use the API and the console, and for what."""

from pathlib import Path

from pydantic import Field

from sre_daemon.domain.person import Role
from sre_daemon.settings.base import Group

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,62}$"


class PersonSettings(Group):
    """A person, known by a token."""

    name: str = Field(pattern=NAME)
    """Recorded with everything that this person does; `approvers` of a policy may use it."""
    role: Role
    """`viewer` looks; `approver` also answers approvals and pauses; `admin` also resumes."""
    token_file: Path
    """A file with this person's token, of 16 characters at least."""
    groups: tuple[str, ...] = ()
    """Names that `approvers` of a policy may use, such as `sre-oncall`."""
