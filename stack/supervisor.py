"""supervisord, which runs the stack's programs, and its XML-RPC interface on a Unix socket."""

import asyncio
import ctypes
import signal
import sys
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

PR_SET_PDEATHSIG = 1
STOP_SECONDS = 15


@dataclass(frozen=True)
class Program:
    """One program; `environment` is added to supervisord's own."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    priority: int = 500
    stop_signal: str = "TERM"


def configuration(root: Path, programs: Sequence[Program]) -> str:
    """The configuration file's text."""
    parts = [
        f"[unix_http_server]\nfile={root}/supervisor.sock\nchmod=0600\n",
        (
            f"[supervisord]\nlogfile={root}/logs/supervisord.log\npidfile={root}/supervisord.pid\n"
            f"nodaemon=true\nsilent=true\nchildlogdir={root}/logs\nuser={_user()}\n"
        ),
        (
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
        ),
    ]
    parts += [_section(root, program) for program in programs]
    return "\n".join(parts)


def _user() -> str:
    import getpass

    return getpass.getuser()


def _section(root: Path, program: Program) -> str:
    environment = ",".join(
        f'{name}="{_escape(value)}"' for name, value in program.environment.items()
    )
    lines = [
        f"[program:{program.name}]",
        "command=" + _escape(" ".join(_quoted(word) for word in program.command)),
        f"environment={environment}",
        f"directory={root}",
        f"priority={program.priority}",
        "autostart=false",
        "autorestart=true",
        "startsecs=0",
        "startretries=1000",
        "stopasgroup=true",
        "killasgroup=true",
        f"stopsignal={program.stop_signal}",
        "stopwaitsecs=8",
        "redirect_stderr=true",
        f"stdout_logfile={root}/logs/{program.name}.log",
        "stdout_logfile_maxbytes=20MB",
        "stdout_logfile_backups=1",
    ]
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    # supervisord expands %(…)s and ends an environment value at a quote.
    return text.replace("%", "%%").replace('"', '\\"')


def _quoted(word: str) -> str:
    return f"'{word}'" if any(char in word for char in " ;\t") else word


class Supervisor:
    """One supervisord, started here and dying with this process."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._process: asyncio.subprocess.Process | None = None
        transport = httpx.AsyncHTTPTransport(uds=str(root / "supervisor.sock"))
        self._http = httpx.AsyncClient(transport=transport, timeout=60)

    async def start(self, programs: Sequence[Program]) -> None:
        """Start it; none of the programs runs yet."""
        file = self._root / "supervisord.conf"
        file.touch(mode=0o600)
        file.write_text(configuration(self._root, programs), encoding="utf-8")
        with (self._root / "logs" / "supervisord.err").open("wb") as errors:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "supervisor.supervisord",
                "-c",
                str(file),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=errors,
                preexec_fn=_die_with_parent,
                start_new_session=True,
            )
        async with asyncio.timeout(15):
            while True:
                try:
                    await self.call("getState")
                    return
                except OSError:
                    if self._process.returncode is not None:
                        error = (self._root / "logs" / "supervisord.err").read_text()
                        raise RuntimeError(f"supervisord did not start: {error}") from None
                    await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Stop every program and supervisord; nothing is left."""
        await self._http.aclose()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def call(self, method: str, *arguments: Any) -> Any:
        """One XML-RPC call; raises xmlrpc.client.Fault, or OSError when nobody answers."""
        body = xmlrpc.client.dumps(arguments, f"supervisor.{method}")
        try:
            response = await self._http.post(
                "http://supervisor/RPC2", content=body, headers={"Content-Type": "text/xml"}
            )
        except httpx.HTTPError as failure:
            raise OSError(f"supervisord does not answer: {failure}") from failure
        return xmlrpc.client.loads(response.text)[0][0]


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
