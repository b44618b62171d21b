"""A real Docker Engine for tests, started by the project's own script and shared by all of them."""

import fcntl
import json
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from docker import DockerClient
from docker.models.containers import Container

from mcp_tools.runtimes import process

REPOSITORY = Path(__file__).parents[2]
SCRIPT = REPOSITORY / "scripts" / "engine"
# One at a time starts or stops the engine; everybody who uses it shares the other lock.
TURN = Path("/tmp/sre-daemon-engine.turn")
USERS = Path("/tmp/sre-daemon-engine.users")
NAMES = Path("/tmp/sre-daemon-engine.names")
LABEL = "org.sre-daemon.test"
REFUSED = 3


@dataclass(frozen=True)
class Engine:
    """Its address, a client that sees everything, and the base image (Debian with Python)."""

    url: str
    client: DockerClient
    image: str

    @property
    def socket(self) -> Path:
        return Path(self.url.removeprefix("unix://"))

    @contextmanager
    def project(self, folder: Path, services: dict[str, object]) -> Iterator[str]:
        """A Compose project that is up; yields its name. Nothing of it is left."""
        name = f"t{uuid.uuid4().hex[:10]}"
        (folder / "compose.yaml").write_text(json.dumps({"services": services}))
        try:
            self.compose(folder, name, "up", "--detach", "--no-build", "--pull=never")
            yield name
        finally:
            self.compose(folder, name, "down", "--volumes", "--timeout=1")

    @contextmanager
    def named(self, **texts: str) -> Iterator[list[Container]]:
        """Containers with these names that run these Python texts, once they are started.

        Names are the engine's, so one test process at a time has such containers; what a killed one
        left behind is removed first.
        """
        with NAMES.open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            self._remove_named()
            try:
                yield [
                    self.client.containers.create(
                        self.image,
                        ["python3", "-c", text],
                        name=name,
                        labels=[LABEL],
                        init=True,
                        detach=True,
                    )
                    for name, text in texts.items()
                ]
            finally:
                self._remove_named()

    def _remove_named(self) -> None:
        for container in self.client.containers.list(all=True, filters={"label": LABEL}):
            container.remove(force=True)

    def compose(self, folder: Path, project: str, *arguments: str) -> None:
        """Run Compose as a person would."""
        program = str(process.find("docker-compose"))
        command = [program, "--project-name", project, "--file", str(folder / "compose.yaml")]
        done = subprocess.run(
            [*command, *arguments],
            env={"PATH": process.PATH, "HOME": str(folder), "DOCKER_HOST": self.url},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@contextmanager
def running_engine() -> Iterator[Engine]:
    """Start it unless it runs; the last one who uses it stops it.

    A machine that refuses engines is skipped loudly. Everything else that goes wrong fails.
    """
    with TURN.open("w") as turn, USERS.open("w") as users:
        fcntl.flock(turn, fcntl.LOCK_EX)
        url = _script("up")
        image = _script("image")
        fcntl.flock(users, fcntl.LOCK_SH)
        fcntl.flock(turn, fcntl.LOCK_UN)
        client = DockerClient(base_url=url, timeout=30)
        try:
            yield Engine(url, client, image)
        finally:
            client.close()
            fcntl.flock(turn, fcntl.LOCK_EX)
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _script("down")
            except BlockingIOError:
                pass  # another test process still uses it


def _script(word: str) -> str:
    done = subprocess.run([str(SCRIPT), word], capture_output=True, text=True, check=False)
    if done.returncode == REFUSED:
        pytest.skip(f"NO DOCKER ENGINE, SO ITS RUNTIMES ARE NOT TESTED: {done.stderr.strip()}")
    if done.returncode != 0:
        pytest.fail(f"scripts/engine {word} failed: {done.stderr}")
    return done.stdout.strip()
