"""A real PostgreSQL server for tests: started from the wheel, killed and cut off at will."""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from stack import postgres
from tests.support.ports import free_port

NUMBERS = itertools.count()
# Durable commits, as in production; a test that claims durability must not switch them off.
SETTINGS = ("fsync=on", "synchronous_commit=on", "full_page_writes=on")


class Server:
    """One server process; `stop` it for a clean shutdown, `kill` it for a crash."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="sre-daemon-pg-"))
        # The server runs as another user.
        self.root.chmod(0o711)
        self.data = self.root / "data"
        self.port = free_port()
        postgres.initialise(self.data)
        self.start()

    def start(self) -> None:
        """Start and wait until it answers."""
        command = [word for word in postgres.command(self.data, self.port) if "fsync" not in word]
        command += [f"-c{setting}" for setting in SETTINGS]
        log = (self.root / "log").open("ab")
        with log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd="/", start_new_session=True
            )
        deadline = time.monotonic() + 30
        while self._query("SELECT 1").returncode != 0:
            assert time.monotonic() < deadline, (self.root / "log").read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """As a power cut would, for all of its processes."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Let go of everything."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.root, ignore_errors=True)

    def database(self) -> str:
        """The address of a new, empty database, without its password."""
        name = f"test_{os.getpid()}_{next(NUMBERS)}"
        done = self._query(f"CREATE DATABASE {name}")
        assert done.returncode == 0, done.stderr
        return f"postgresql://{postgres.USER}@127.0.0.1:{self.port}/{name}"

    def disconnect(self) -> None:
        """Cut every client's connection."""
        self._query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        )

    def _query(self, sql: str) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, "PGPASSWORD": postgres.PASSWORD, "PGCONNECT_TIMEOUT": "2"}
        return subprocess.run(
            [
                str(postgres.binaries() / "psql"),
                *("-h", "127.0.0.1", "-p", str(self.port), "-U", postgres.USER),
                *("-d", "postgres", "-v", "ON_ERROR_STOP=1", "-qAtc", sql),
            ],
            capture_output=True,
            text=True,
            env=environ,
            check=False,
        )
