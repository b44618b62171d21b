"""Both ends of tools that run as another user: the host starts a server for each connection, and
the relay makes such a connection look like a server that was started here.

The one who connects says the phase and the gate's token, and nothing else: what the tools may see
and touch is the host's own settings file. A connection that ends takes its server, and everything
that it started, with it.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from mcp_tools.errors import SettingsError, TargetUnavailable
from mcp_tools.spec import Phase

MAX_CONNECTIONS = 32
MAX_GREETING = 4096
GREETING_SECONDS = 5.0
CHUNK = 65_536
GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR
LOOK_MILLISECONDS = 200
Start = Callable[[Phase, str, socket.socket], subprocess.Popen[bytes]]


def relay(host: Path, phase: Phase, token: str) -> None:
    """Connect standard input and output with a tool server of the host, until either side ends.

    Raises:
        TargetUnavailable: nobody listens there.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with connection:
        try:
            connection.connect(str(host))
        except OSError as failure:
            raise TargetUnavailable(
                f"The host of the tools at {host} is not available: {failure.strerror}.",
                "Check that it runs and that this user may use its socket.",
            ) from failure
        connection.sendall(json.dumps({"phase": phase, "token": token}).encode() + b"\n")
        threading.Thread(target=_send, args=(connection,), daemon=True).start()
        with suppress(OSError):
            while data := connection.recv(CHUNK):
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()


def _send(connection: socket.socket) -> None:
    with suppress(OSError):
        while data := os.read(sys.stdin.fileno(), CHUNK):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)


def host(path: Path, start: Start) -> NoReturn:
    """Listen on a socket that this user and group may use; never returns.

    Raises:
        SettingsError: it cannot be made.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        path.chmod(0o660)
        listener.listen(MAX_CONNECTIONS)
    except OSError as failure:
        raise SettingsError(f"{path}: cannot listen: {failure.strerror}.") from failure
    places = threading.BoundedSemaphore(MAX_CONNECTIONS)
    while True:
        places.acquire()
        connection, _ = listener.accept()
        threading.Thread(target=_attend, args=(connection, start, places), daemon=True).start()


def _attend(connection: socket.socket, start: Start, places: threading.BoundedSemaphore) -> None:
    """One connection, in a thread of its own: the kernel ties the server's life to it."""
    try:
        with connection:
            greeted = _greeting(connection)
            if greeted is not None:
                _outlive(start(*greeted, connection), connection)
    finally:
        places.release()


def _greeting(connection: socket.socket) -> tuple[Phase, str] | None:
    """The first line, and not a byte more: what follows is the server's. None when it is none."""
    connection.settimeout(GREETING_SECONDS)
    line = bytearray()
    try:
        while not line.endswith(b"\n") and len(line) < MAX_GREETING:
            line += connection.recv(1) or b"\n"
        data = json.loads(line)
        greeted = Phase(data["phase"]), str(data["token"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    connection.settimeout(None)
    return greeted


def _outlive(server: subprocess.Popen[bytes], connection: socket.socket) -> None:
    """Wait until the server ends or the other side is gone; then nothing of the server is left."""
    watch = select.poll()
    watch.register(connection, GONE)
    while server.poll() is None and not watch.poll(LOOK_MILLISECONDS):
        pass
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def starter(arguments: Sequence[str], environment: Callable[[str], dict[str, str]]) -> Start:
    """How a server is started: with these arguments, in its own process group, on the connection."""

    def start(phase: Phase, token: str, connection: socket.socket) -> subprocess.Popen[bytes]:
        # Tied to this thread before Python starts: the server itself would do that a second later.
        bound = ("setpriv", "--pdeathsig", "KILL", "--")
        return subprocess.Popen(
            [*bound, sys.executable, "-m", "mcp_tools", *arguments, "--phase", phase],
            stdin=connection.fileno(),
            stdout=connection.fileno(),
            env=environment(token),
            start_new_session=True,
        )

    return start
