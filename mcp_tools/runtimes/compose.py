"""Recreating a service with the Compose CLI. Its arguments and environment are made here alone.

A Compose file is as powerful as root (docs/safety.md), so it is fixed by the settings, may be
pinned by its digest, and nothing that a caller says reaches the command line but the name of a
configured service.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mcp_tools.errors import Refused, ServiceFailed, TargetUnavailable
from mcp_tools.runtimes import process

RULE = "compose_file_changed"
UP_SECONDS = 60.0
STOP_SECONDS = 10
LAST_LINES = 10
# Where packages put Compose, as a program of its own or as a plugin of the docker command.
FOLDERS = tuple(
    f"/usr/{place}/docker/cli-plugins" for place in ("local/lib", "local/libexec", "lib", "libexec")
)


@dataclass(frozen=True, slots=True)
class Compose:
    """One project. `host` is the Engine's address; `pinned` maps files to the sha256 they must have."""

    host: str
    project: str
    file: Path
    env_file: Path | None = None
    pinned: Mapping[str, str] = field(default_factory=dict)
    seconds: float = UP_SECONDS

    async def recreate(self, service: str) -> None:
        """Replace the service's container by one with the configuration as it is now.

        Raises:
            Refused: a pinned file is not what it was.
            ServiceFailed: Compose did not do it.
            TargetUnavailable: there is no Compose.
            ToolError: it took too long, and may have done part of its work.
        """
        await asyncio.to_thread(self._check_pins)
        # Registry credentials, plugins and contexts of whoever runs this are none of its business.
        with tempfile.TemporaryDirectory(prefix="compose-") as home:
            env = {"HOME": home, "DOCKER_CONFIG": home, "DOCKER_HOST": self.host}
            done = await process.run(self.arguments(service), env, self.seconds)
        if done.exit_code != 0:
            last = "\n".join(done.output.splitlines()[-LAST_LINES:])
            raise ServiceFailed(
                f"Compose could not recreate {service} (exit code {done.exit_code}).", last
            )

    def arguments(self, service: str) -> list[str]:
        """The whole command line. Nothing is built or pulled, and no other service is touched."""
        program = process.find("docker-compose", *FOLDERS)
        if program is None:
            raise TargetUnavailable("Compose is not installed.", "Install docker-compose-plugin.")
        # Without a file of ours Compose would read any .env that lies in the folder.
        env_file = self.env_file or Path("/dev/null")
        return [
            str(program),
            f"--project-name={self.project}",
            f"--project-directory={self.file.parent}",
            f"--file={self.file}",
            f"--env-file={env_file}",
            "--ansi=never",
            "--progress=plain",
            "up",
            "--detach",
            "--no-build",
            "--pull=never",
            "--no-deps",
            "--force-recreate",
            f"--timeout={STOP_SECONDS}",
            "--",
            service,
        ]

    def _check_pins(self) -> None:
        for name, wanted in self.pinned.items():
            try:
                found = hashlib.sha256(Path(name).read_bytes()).hexdigest()
            except OSError as failure:
                raise Refused(RULE, f"{name} cannot be read: {failure.strerror}.") from None
            if found != wanted.lower():
                raise Refused(
                    RULE,
                    f"{name} is not the file that runtime.pinned names; its sha256 is {found}.",
                    "A person has to look at the change and pin the new file.",
                )
