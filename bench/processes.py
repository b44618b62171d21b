"""The processes that are measured: started, watched from outside, killed."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

TOKEN = "bench-webhook-token"
API = "bench-api-token"
SETTINGS = """\
listen: 127.0.0.1:{port}
data_dir: data
store: {store}
prometheus: {{url: '{prometheus}'}}
"""


class Measured:
    """A server under load."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = psutil.Process(process.pid)
        self.port = port

    def cpu(self) -> float:
        """Seconds of processor time so far, all of its threads."""
        used = self.process.cpu_times()
        return float(used.user + used.system)

    def resident(self) -> float:
        """MiB now."""
        return float(self.process.memory_info().rss / (1 << 20))

    def peak(self) -> float:
        """MiB at most so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else 0.0


@contextmanager
def started(command: list[str], folder: Path, **environment: str) -> Iterator[Measured]:
    """Start a server and wait for the line with its address."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **environment},
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        port = re.search(r":(\d+)\s*$", line)
        if port is None:
            raise RuntimeError(f"it did not start: {(folder / 'log').read_text()[-2000:]}")
        yield Measured(process, int(port[1]))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def receiver(kind: str, folder: Path) -> Iterator[Measured]:
    """One of bench.receivers."""
    folder.mkdir(parents=True)
    with started([sys.executable, "-m", "bench.receivers", kind, str(folder)], folder) as server:
        yield server


@contextmanager
def daemon(
    folder: Path,
    *,
    port: int = 0,
    store: str = "sqlite",
    prometheus: str = "http://127.0.0.1:1",
    more: str = "",
    **environment: str,
) -> Iterator[Measured]:
    """The daemon as a user runs it, authentication included."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "settings.yaml"
    settings.write_text(SETTINGS.format(port=port, store=store, prometheus=prometheus) + more)
    command = [sys.executable, "-m", "sre_daemon.cli.main", "serve", "--config", str(settings)]
    secrets = {"SRE_DAEMON_WEBHOOK_TOKEN": TOKEN, "SRE_DAEMON_API_TOKEN": API}
    with started(command, folder, **secrets, **environment) as server:
        yield server
