"""The stack on one machine without containers: real servers under supervisord, on free ports.

Used by the demo and by the acceptance tests. Nothing of it outlives `stop`, or the process that
started it.
"""

import asyncio
import os
import shutil
import sys
import xmlrpc.client
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stack import deployments, files, postgres
from stack.files import HERE
from stack.shop import Progress, Shop, StackError
from stack.supervisor import Program, Supervisor

PASSED_ON = ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")
DEFAULT_POLICY = HERE / "policy.yaml"


class Stack(Shop):
    """One running stack below `root`, an empty folder.

    `policy=None` leaves the key out of the daemon's settings; `settings` replaces keys of them;
    `webhook` sends notifications there instead of to the daemon; `daemon_command` are the
    arguments of the Python that runs as the daemon.
    """

    def __init__(
        self,
        root: Path,
        *,
        policy: Path | None = DEFAULT_POLICY,
        daemon_env: Mapping[str, str] | None = None,
        settings: Mapping[str, object] | None = None,
        with_daemon: bool = True,
        webhook: str | None = None,
        daemon_command: Sequence[str] = ("-m", "sre_daemon.cli.main", "serve"),
    ) -> None:
        super().__init__(root)
        self.socket = root / "supervisor.sock"
        self._policy = policy
        self._daemon_env = daemon_env or {}
        self._settings = settings or {}
        self._with_daemon = with_daemon
        self._webhook = webhook
        self._daemon_command = daemon_command
        self._supervisor = Supervisor(root)

    async def start(self, progress: Progress = lambda _: None) -> None:
        """See Shop."""
        (self.root / "logs").mkdir(parents=True)
        progress("making a PostgreSQL data folder")
        await asyncio.to_thread(postgres.initialise, self.root / "postgres")
        self._write_files()
        await self._supervisor.start(self._programs())
        progress("starting PostgreSQL, Prometheus and Alertmanager")
        await asyncio.gather(
            *(self.start_program(name) for name in ("postgres", "prometheus", "alertmanager"))
        )
        if self._with_daemon:
            await self.start_program("sre-daemon")
        await postgres.create_tables(self.ports.postgres)
        progress("starting the API server and its traffic")
        await self.start_program("api-server")
        deployments.record(
            self.deployments, self.config_file, "api-server", "release", "first deploy"
        )
        await self.answers("api-server", f"{self.api}/health")
        await self.start_program("traffic-generator")
        progress("waiting until everything answers")
        await self.answers("prometheus", f"{self.prometheus}/-/ready")
        await self.answers("alertmanager", f"{self.alertmanager}/-/ready")
        if self._with_daemon:
            await self.answers("sre-daemon", f"{self.daemon}/readyz")

    async def stop(self) -> None:
        """See Shop."""
        await self.let_go()
        await self._supervisor.stop()

    def _write_files(self) -> None:
        ports, local = self.ports, "127.0.0.1"
        folder = str(self.root / "spool")
        files.write_shop(self.root, {"DB_PORT": str(ports.postgres), "SPOOL_DIR": folder})
        files.write_prometheus(
            self.root,
            str(files.CHECKOUT / "rules"),
            f"{local}:{ports.alertmanager}",
            {
                "prometheus": f"{local}:{ports.prometheus}",
                "api-server": f"{local}:{ports.api}",
                "sre-daemon": f"{local}:{ports.daemon}",
            },
        )
        url = self._webhook or f"{self.daemon}/webhook/alertmanager"
        secret = self.root / "webhook-token"
        secret.touch(mode=0o600)
        secret.write_text(self.webhook_token)
        files.write_alertmanager(self.root, url, str(secret))
        files.write_daemon(self.root, self.ports, self._policy, self._settings)

    def _programs(self) -> list[Program]:
        python, ports, root = sys.executable, self.ports, self.root
        checkout = {"PYTHONPATH": str(files.CHECKOUT)}
        alertmanager = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
        prometheus = shutil.which("prometheus")
        if alertmanager is None or prometheus is None:
            raise StackError("prometheus or alertmanager is not installed: run `make setup`")
        return [
            Program(
                "postgres", postgres.command(root / "postgres", ports.postgres), {}, 100, "INT"
            ),
            Program(
                "api-server",
                [
                    *(python, "-m", "stack.launch", "--env", str(self.config_file), "--"),
                    *(python, "-m", "stack.api_server", "--port", str(ports.api)),
                ],
                checkout,
                200,
            ),
            Program(
                "traffic-generator", [python, "-m", "stack.traffic", "--url", self.api], checkout
            ),
            Program(
                "prometheus",
                [
                    prometheus,
                    f"--config.file={root}/config/prometheus.yml",
                    f"--storage.tsdb.path={root}/prometheus",
                    f"--web.listen-address=127.0.0.1:{ports.prometheus}",
                    "--log.level=warn",
                ],
            ),
            Program(
                "alertmanager",
                [
                    alertmanager,
                    f"--config.file={root}/alertmanager.yml",
                    f"--storage.path={root}/alertmanager",
                    f"--web.listen-address=127.0.0.1:{ports.alertmanager}",
                    "--cluster.listen-address=",
                    "--log.level=warn",
                ],
            ),
            Program(
                "sre-daemon",
                [python, *self._daemon_command, "--config", f"{root}/daemon/sre-daemon.yaml"],
                self._daemon_environment(),
                600,
            ),
        ]

    def _daemon_environment(self) -> dict[str, str]:
        passed = {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}
        return {
            "SRE_DAEMON_WEBHOOK_TOKEN": self.webhook_token,
            "SRE_DAEMON_API_TOKEN": self.api_token,
            **passed,
            **self._daemon_env,
        }

    # --- processes
    async def status(self, program: str) -> tuple[str, int]:
        """The state's name and the process id (0 when it does not run)."""
        info: dict[str, Any] = await self._supervisor.call("getProcessInfo", program)
        return info["statename"], info["pid"]

    async def start_program(self, program: str) -> None:
        """Start it, if it does not run."""
        await self._quietly("startProcess", program, "ALREADY_STARTED")

    async def stop_program(self, program: str) -> None:
        """Stop it and wait, if it runs."""
        await self._quietly("stopProcess", program, "NOT_RUNNING")

    async def recreate(self, service: str) -> None:
        """A program reads its configuration when it starts."""
        await self.stop_program(service)
        await self.start_program(service)

    async def _quietly(self, method: str, program: str, fine: str) -> None:
        try:
            await self._supervisor.call(method, program)
        except xmlrpc.client.Fault as fault:
            if fine not in fault.faultString:
                raise StackError(f"{method} {program}: {fault.faultString}") from fault

    async def signal(self, program: str, number: int) -> None:
        """Send a signal to the program's process alone, not to its children."""
        _, pid = await self.status(program)
        if pid:
            os.kill(pid, number)

    def log(self, program: str, lines: int = 20) -> str:
        """The end of its log."""
        path = self.root / "logs" / f"{program}.log"
        if not path.exists():
            return "(empty)"
        return "\n".join(path.read_text("utf-8", "replace").splitlines()[-lines:])
