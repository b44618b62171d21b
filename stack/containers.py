"""The same stack as containers: `stack/compose.yaml` with its variables filled in.

Everything that containers share with this machine lies below `root`: the shop's configuration,
which the tools edit, the Compose file that they recreate services with, and the tokens.
"""

import asyncio
import hashlib
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from stack import deployments, files, postgres
from stack.files import CHECKOUT, HERE, SPOKEN_FOR
from stack.shop import Progress, Shop, StackError

PROJECT = "sre-daemon-stack"
ENGINE_SOCKET = Path("/var/run/docker.sock")
UP_SECONDS = 150
GRAFANA_PORT = 3000
TOOLS_USER = 9912  # as the image has it; it must own what it edits
PASSED_ON = ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")
SERVICES = (
    *("api-server", "postgres", "traffic-generator", "prometheus", "alertmanager"),
    *("inventory-svc", "search-svc", "grafana"),
)
TARGETS = {
    "prometheus": "prometheus:9090",
    "api-server": "api-server:8080",
    "sre-daemon": "sre-daemon:9911",
    "inventory-svc": "inventory-svc:8001",
    "search-svc": "search-svc:8001",
}


class ContainerStack(Shop):
    """One Compose project below `root`.

    `images` replaces images of the Compose file, as `scripts/images` prints them; without any the
    named ones are pulled, and ours are built. `policy` is copied; `settings` replaces keys of the
    daemon's settings.
    """

    def __init__(
        self,
        root: Path,
        *,
        images: Mapping[str, str] | None = None,
        engine: Path = ENGINE_SOCKET,
        project: str = PROJECT,
        policy: Path = HERE / "policy.yaml",
        settings: Mapping[str, object] | None = None,
        daemon_env: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(root)
        self.project = project
        self._images = dict(images or {})
        self._engine = engine
        self._policy = policy
        self._settings = settings or {}
        self._daemon_env = daemon_env or {}
        grafana = free_port(GRAFANA_PORT)
        self.grafana = None if images else f"http://127.0.0.1:{grafana}"
        self._variables = {
            "STACK_ROOT": str(root),
            "CHECKOUT": str(CHECKOUT),
            "API_PORT": str(self.ports.api),
            "POSTGRES_PORT": str(self.ports.postgres),
            "PROMETHEUS_PORT": str(self.ports.prometheus),
            "ALERTMANAGER_PORT": str(self.ports.alertmanager),
            "DAEMON_PORT": str(self.ports.daemon),
            "GRAFANA_PORT": str(grafana),
            "ENGINE_SOCKET": str(engine),
            "TOOLS_USER": str(self._tools_user()),
        }

    async def start(self, progress: Progress = lambda _: None) -> None:
        """See Shop."""
        progress("writing the configuration")
        self._write_files()
        progress("starting the containers" if self._images else "pulling, building and starting")
        choice = ["--no-build", "--pull=never"] if self._images else ["--build"]
        await self._compose("up", "--detach", "--wait", f"--wait-timeout={UP_SECONDS}", *choice)
        progress("waiting until everything answers")
        for program, url in (
            ("api-server", f"{self.api}/health"),
            ("prometheus", f"{self.prometheus}/-/ready"),
            ("alertmanager", f"{self.alertmanager}/-/ready"),
            ("sre-daemon", f"{self.daemon}/readyz"),
        ):
            await self.answers(program, url)

    async def stop(self) -> None:
        """See Shop."""
        await self.let_go()
        if (self.root / "compose.yaml").exists():
            await self._compose("down", "--volumes", "--remove-orphans", "--timeout=3")

    async def start_program(self, program: str) -> None:
        """Start it, if it does not run."""
        await self._compose("start", program)

    async def stop_program(self, program: str) -> None:
        """Stop it and wait, if it runs."""
        await self._compose("stop", "--timeout=5", program)

    async def recreate(self, service: str) -> None:
        """A container has the environment that it was created with, so it is made anew."""
        await self._compose(
            *("up", "--detach", "--no-build", "--pull=never", "--no-deps", "--force-recreate"),
            *("--timeout=2", service),
        )

    async def signal(self, program: str, number: int) -> None:
        """Send a signal to the container's first process."""
        await self._compose("kill", f"--signal={number}", program)

    def log(self, program: str, lines: int = 20) -> str:
        """The end of its log."""
        command = self._command("logs", "--no-log-prefix", f"--tail={lines}", program)
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=self._environment()
        )
        return (done.stdout + done.stderr).strip() or "(empty)"

    async def _compose(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *self._command(*arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment(),
        )
        output = (await process.communicate())[0].decode("utf-8", "replace")
        if process.returncode != 0:
            last = "\n".join(output.splitlines()[-20:])
            raise StackError(f"docker compose {arguments[0]} failed:\n{last}")
        return output

    def _command(self, *arguments: str) -> list[str]:
        profiles = ["--profile=grafana"] if self.grafana else []
        return [
            *compose_program(),
            f"--project-name={self.project}",
            f"--project-directory={self.root}",
            f"--file={self.root / 'compose.yaml'}",
            f"--env-file={self.root / 'stack.env'}",
            "--ansi=never",
            "--progress=plain",
            *profiles,
            *arguments,
        ]

    def _environment(self) -> dict[str, str]:
        passed = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return passed | {"DOCKER_HOST": f"unix://{self._engine}"}

    def _tools_user(self) -> int:
        return os.getuid() or TOOLS_USER

    def _write_files(self) -> None:
        root = self.root
        try:
            group = self._engine.stat().st_gid
        except OSError as failure:
            raise StackError(f"no Docker Engine at {self._engine}: {failure.strerror}") from None
        # The tools' user walks in; the tokens are not for it.
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o755)
        for name, mode in (("private", 0o700), ("daemon", 0o755), ("tools", 0o755)):
            (root / name).mkdir(mode=mode)
        for name, token in (("webhook", self.webhook_token), ("api", self.api_token)):
            (root / "private" / f"{name}-token").write_text(token)
        (root / "init.sql").write_text(postgres.SCHEMA, encoding="utf-8")
        files.write_shop(root, {"DB_HOST": "postgres", "DB_PORT": "5432"})
        files.write_prometheus(root, "/etc/prometheus/rules", "alertmanager:9093", TARGETS)
        files.write_alertmanager(
            root,
            "http://sre-daemon:9911/webhook/alertmanager",
            "/etc/alertmanager/webhook-token",
        )
        shutil.copy(self._policy, root / "daemon" / "policy.yaml")
        files.dump(self._daemon_settings(), root / "daemon" / "sre-daemon.yaml")
        shutil.copy(HERE / "compose.yaml", root / "compose.yaml")
        self._write_variables({"ENGINE_GROUP": str(group)})
        (root / "tools.json").write_text(json.dumps(self._tools_settings()), encoding="utf-8")
        deployments.record(
            self.deployments, self.config_file, "api-server", "release", "first deploy"
        )
        for path in (root / "tools", self.deployments, *_tree(root / "config")):
            os.chown(path, self._tools_user(), -1)

    def _write_variables(self, more: Mapping[str, str]) -> None:
        passed = {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}
        variables = self._variables | self._images | passed | dict(more)
        file = self.root / "stack.env"
        file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))

    def _daemon_settings(self) -> dict[str, object]:
        daemon: dict[str, object] = {
            "listen": "0.0.0.0:9911",
            "data_dir": "/var/lib/sre-daemon",
            "prometheus": {"url": "http://prometheus:9090"},
            "alertmanagers": ["http://alertmanager:9093"],
            "tool_host": "/run/sre-daemon/tools.sock",
            "services": list(SERVICES),
            "logged_by": dict.fromkeys(SPOKEN_FOR, "api-server"),
            "policy": "policy.yaml",
            "guardrails": "/etc/shop/guardrails.yaml",
            "health": "/etc/shop/health.yaml",
            "runbooks": ["/etc/shop/runbooks"],
            "correlation": {"linger": "0s"},
        }
        return daemon | dict(self._settings)

    def _tools_settings(self) -> dict[str, object]:
        """What only the tools know: the Engine, the configuration, and the Compose file, pinned."""
        compose, variables = self.root / "compose.yaml", self.root / "stack.env"
        return {
            "prometheus": {"url": "http://prometheus:9090"},
            "alertmanagers": ["http://alertmanager:9093"],
            "config_root": str(self.root),
            "runtime": {
                "kind": "compose",
                "project": self.project,
                "file": str(compose),
                "env_file": str(variables),
                "pinned": {
                    str(file): hashlib.sha256(file.read_bytes()).hexdigest()
                    for file in (compose, variables)
                },
            },
            "services": list(SERVICES),
            "logged_by": dict.fromkeys(SPOKEN_FOR, "api-server"),
            "guardrails": "/etc/shop/guardrails.yaml",
            "health": "/etc/shop/health.yaml",
            "runbooks": ["/etc/shop/runbooks"],
            "postmortems": str(self.root / "tools" / "postmortems"),
            "deployments": str(self.deployments),
        }


def compose_program() -> Sequence[str]:
    """Compose as a program of its own, beside this Python or on the PATH, or as docker's plugin.

    Raises:
        StackError: there is none.
    """
    beside = Path(sys.executable).parent / "docker-compose"
    if beside.exists():
        return (str(beside),)
    for name in ("docker-compose", "docker"):
        if found := shutil.which(name):
            return (found,) if name == "docker-compose" else (found, "compose")
    raise StackError("Compose is not installed: run `make setup`, or install docker-compose-plugin")


def free_port(wanted: int) -> int:
    """This port, or when somebody has it another that is free."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tree(folder: Path) -> list[Path]:
    return [folder, *folder.iterdir()]


def local_images(script: Path = CHECKOUT / "scripts" / "images") -> dict[str, str]:
    """Build every image from what is here (blocking, a minute or two the first time).

    Raises:
        StackError: with the script's last words.
    """
    done = subprocess.run([str(script)], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise StackError("the images could not be built, see above")
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def engine_socket() -> Path:
    """The Engine's socket: what DOCKER_HOST says, the one of scripts/engine, or the usual one."""
    named = os.environ.get("DOCKER_HOST", "").removeprefix("unix://")
    for candidate in (named, "/run/sre-daemon-engine/docker.sock"):
        if candidate and Path(candidate).exists() and stat.S_ISSOCK(Path(candidate).stat().st_mode):
            return Path(candidate)
    return ENGINE_SOCKET
