"""Real tool servers, gates, Prometheus and supervisord for tests, each as a context manager."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
from mcp import Client, StdioServerParameters, stdio_client

REPOSITORY = Path(__file__).parents[2]
ENV_FILE = "# the shop\nDB_POOL_SIZE=1\nDB_POOL_TIMEOUT=2\nDB_PASSWORD=hunter2\n"
GUARDRAILS = """version: 1
files:
  config/api-server.env:
    DB_POOL_SIZE: {type: integer, min: 5, max: 100}
    DB_POOL_TIMEOUT: {type: number, min: 0.5, max: 30}
"""


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tree(root: Path, **settings: Any) -> Path:
    """A configuration tree with guardrails; returns the tool server's settings file."""
    (root / "config").mkdir(parents=True)
    (root / "config" / "api-server.env").write_text(ENV_FILE)
    (root / "config" / "api-server.env.backup").write_text(ENV_FILE.replace("SIZE=1", "SIZE=20"))
    (root / "guardrails.yaml").write_text(GUARDRAILS)
    data: dict[str, Any] = {
        "prometheus": {"url": f"http://127.0.0.1:{free_port()}", "timeout_seconds": 2},
        "config_root": str(root),
        "services": ["api-server"],
        "postmortems": str(root / "data" / "postmortems"),
        "deployments": str(root / "deployments.jsonl"),
        "guardrails": str(root / "guardrails.yaml"),
    }
    file = root / "tools.json"
    file.write_text(json.dumps(data | settings))
    return file


@asynccontextmanager
async def connected(
    config: Path, phase: str = "investigate", gate: Path | None = None, token: str = "t0ken"
) -> AsyncIterator[Client]:
    """An MCP client of a real tool server process."""
    arguments = ["-m", "mcp_tools", "--phase", phase, "--config", str(config)]
    if gate is not None:
        arguments += ["--gate-socket", str(gate)]
    parameters = StdioServerParameters(
        command=sys.executable,
        args=arguments,
        env={"MCP_TOOLS_GATE_TOKEN": token} if token else {},
        cwd=REPOSITORY,
    )
    async with Client(stdio_client(parameters)) as client:
        yield client


@contextmanager
def http_server(config: Path, *arguments: str, token: str = "") -> Iterator[str]:
    """A real tool server over HTTP, without a token unless one is given; yields its address."""
    port = free_port()
    command = [sys.executable, "-m", "mcp_tools", "--config", str(config), "--transport", "http"]
    command += ["--port", str(port), *arguments, *([] if token else ["--anonymous"])]
    env = {**os.environ, "MCP_TOOLS_HTTP_TOKEN": token}
    with running(command, config.with_suffix(".log"), env):
        wait_for(
            lambda: socket.create_connection(("127.0.0.1", port), 1).close() is None, "it listens"
        )
        yield f"http://127.0.0.1:{port}/mcp"


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def gate(folder: Path, answer: Answer) -> AsyncIterator[tuple[Path, list[dict[str, Any]]]]:
    """A gate on a Unix socket; yields its path and the questions that it was asked."""
    questions: list[dict[str, Any]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        questions.append(json.loads(await reader.readline()))
        await answer(reader, writer)
        writer.close()

    path = folder / "gate.sock"
    server = await asyncio.start_unix_server(serve, path)
    async with server:
        yield path, questions


def answering(reply: Any) -> Answer:
    """An answer that is always the same: bytes as they are, anything else as a JSON line."""
    line = reply if isinstance(reply, bytes) else json.dumps(reply).encode() + b"\n"

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(line)
        await writer.drain()

    return answer


ALLOW = answering({"allow": True, "reason": "allowed", "message": "ok"})


@contextmanager
def prometheus(folder: Path, rules: str = "") -> Iterator[str]:
    """A real Prometheus that scrapes itself every second; yields its address."""
    port = free_port()
    address = f"127.0.0.1:{port}"
    (folder / "rules.yml").write_text(rules or "groups: []\n")
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
        "rule_files: [rules.yml]\n"
        f"scrape_configs: [{{job_name: prometheus, static_configs: [{{targets: ['{address}']}}]}}]\n"
    )
    command = [
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--web.listen-address={address}",
    ]
    command += [f"--storage.tsdb.path={folder}/data", "--log.level=error"]
    with running(command, folder / "prometheus.log"):
        url = f"http://{address}"
        wait_for(lambda: httpx.get(f"{url}/-/ready").status_code == 200, "Prometheus is ready")
        yield url


@contextmanager
def supervisord(programs: dict[str, str]) -> Iterator[tuple[Path, Path]]:
    """A real supervisord; programs are Python texts. Yields its socket and its folder.

    The folder is a short one, because a socket's path may have no more than 107 characters.
    """
    with tempfile.TemporaryDirectory(prefix="sv") as name:
        folder = Path(name)
        head = (
            f"[supervisord]\nnodaemon=true\nlogfile={folder}/d.log\npidfile={folder}/d.pid\n"
            f"[unix_http_server]\nfile={folder}/s.sock\nchmod=0600\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
        )
        sections = [head]
        for program, text in programs.items():
            (folder / f"{program}.py").write_text(text)
            sections.append(
                f"[program:{program}]\ncommand={sys.executable} -u {folder}/{program}.py\n"
                f"directory={folder}\nautostart=true\nstartsecs=1\nstartretries=0\nredirect_stderr=true\n"
                f"stdout_logfile={folder}/{program}.log\nstopwaitsecs=5\n"
            )
        (folder / "s.conf").write_text("\n".join(sections))
        supervisor = Path(sys.executable).parent / "supervisord"
        with running([str(supervisor), "-c", f"{folder}/s.conf"], folder / "out.log"):
            wait_for((folder / "s.sock").exists, "supervisord has its socket")
            yield folder / "s.sock", folder


@contextmanager
def running(
    command: list[str], log: Path, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A child process in its own group, gone at the end."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=env,
            cwd=REPOSITORY if env is not None else None,
        )
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait(5)


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
    """Look every 50 ms until the condition holds; an error in it counts as not yet."""
    import time

    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except (httpx.HTTPError, OSError):
            pass
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def text(result: Any) -> str:
    """The text block of a tool result."""
    return str(result.content[0].text)
