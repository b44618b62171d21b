"""Tools that run as another user: what the caller sees, and what is left when it goes."""

import json
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.support.tool_server import (
    ALLOW,
    REPOSITORY,
    connected,
    gate,
    running,
    text,
    tree,
    wait_for,
)

EDIT = {
    "path": "config/api-server.env",
    "old_value": "DB_POOL_SIZE=1",
    "new_value": "DB_POOL_SIZE=20",
}


@contextmanager
def hosted(config: Path, gate_socket: Path | None = None):
    """A host of tools; yields the settings file of a caller, and the host's process."""
    with tempfile.TemporaryDirectory(prefix="th") as name:
        listen = Path(name) / "tools.sock"
        command = [sys.executable, "-m", "mcp_tools", "--transport", "unix"]
        command += ["--socket", str(listen), "--config", str(config)]
        if gate_socket is not None:
            command += ["--gate-socket", str(gate_socket)]
        with running(command, Path(name) / "log") as host:
            # The file is there a moment before anybody listens.
            wait_for(lambda: _connects(listen), "the host listens")
            caller = Path(name) / "caller.json"
            caller.write_text(json.dumps({"host": str(listen)}))
            yield caller, listen, psutil.Process(host.pid)


def _connects(listen: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(listen))
    return True


async def test_caller_sees_the_tools_of_its_phase_and_the_hosts_settings(tmp_path):
    with hosted(tree(tmp_path)) as (caller, _, _):
        async with connected(caller, token="") as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert "read_config_file" in names
            assert "edit_config_file" not in names
            read = await client.call_tool("read_config_file", {"path": EDIT["path"]})
            assert "DB_POOL_SIZE=1" in text(read)
        async with connected(caller, "remediate", token="") as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert "edit_config_file" in names


async def test_write_needs_the_gate_and_its_token(tmp_path):
    config = tree(tmp_path)
    file = tmp_path / EDIT["path"]
    async with gate(tmp_path, ALLOW) as (gate_socket, questions):
        with hosted(config, gate_socket) as (caller, _, _):
            async with connected(caller, "remediate", token="") as client:
                answer = await client.call_tool("edit_config_file", EDIT)
                assert answer.is_error
                assert "no gate to ask" in text(answer)
                assert "DB_POOL_SIZE=1\n" in file.read_text()
            async with connected(caller, "remediate", token="t0ken") as client:
                answer = await client.call_tool("edit_config_file", EDIT)
                assert not answer.is_error, text(answer)
    assert [question["token"] for question in questions] == ["t0ken"]
    assert "DB_POOL_SIZE=20\n" in file.read_text()


def test_server_ends_with_its_caller_even_when_that_is_killed(tmp_path):
    with hosted(tree(tmp_path)) as (caller, _, host):
        command = [sys.executable, "-m", "mcp_tools", "--config", str(caller)]
        relay = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY
        )
        try:
            wait_for(lambda: len(host.children()) == 1, "a server runs")
            relay.send_signal(signal.SIGKILL)
            relay.wait(10)
            wait_for(lambda: not host.children(recursive=True), "it is gone", 5)
        finally:
            relay.kill()
            relay.wait(10)
            relay.stdin.close()
            relay.stdout.close()


def test_servers_end_with_a_host_that_is_killed(tmp_path):
    with hosted(tree(tmp_path)) as (caller, _, host):
        command = [sys.executable, "-m", "mcp_tools", "--config", str(caller)]
        relay = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY
        )
        with relay:
            wait_for(
                lambda: "python" in "".join(c.name() for c in host.children()), "a server runs"
            )
            (server,) = host.children()
            host.send_signal(signal.SIGKILL)
            assert relay.wait(10) == 0
            wait_for(lambda: not server.is_running(), "it is gone", 5)


@pytest.mark.parametrize(
    "greeting",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b'{"phase": "root", "token": ""}\n',
        b'{"phase": "remediate"}\n',
        b'{"phase": "investigate", "token": "", "config": "/etc/passwd"',
        b"[]\n",
        b"\xff\n",
        b"x" * 10_000,
        b"",
    ],
)
def test_whoever_does_not_greet_gets_no_server(tmp_path, greeting):
    with hosted(tree(tmp_path)) as (_, listen, host):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(listen))
            connection.settimeout(10)
            connection.sendall(greeting)
            connection.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                assert connection.recv(1) == b""
        assert host.children() == []


def test_absent_host_is_named(tmp_path):
    caller = tmp_path / "caller.json"
    caller.write_text(json.dumps({"host": str(tmp_path / "none.sock")}))
    done = subprocess.run(
        [sys.executable, "-m", "mcp_tools", "--config", str(caller)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == 3
    assert "none.sock is not available: No such file" in done.stderr


def test_socket_is_for_this_user_and_group_only(tmp_path):
    with hosted(tree(tmp_path)) as (_, listen, _):
        assert listen.stat().st_mode & 0o777 == 0o660


def test_unix_transport_without_a_socket_is_a_mistake(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mcp_tools", "--transport", "unix"],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == 2
    assert "needs --socket" in done.stderr
