import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sre_daemon.agent.claude import workspace
from sre_daemon.errors import AgentLimitReached, AgentUnavailable
from sre_daemon.toolclient import ToolServer

PRINTENV = Path(shutil.which("printenv") or "/usr/bin/printenv")
SECRETS = {
    "SLACK_BOT_TOKEN": "xoxb-secret",
    "MULTI": "first\nKEPT=secret",
    "BASH_FUNC_x%%": "() { echo secret\n}",
    "odd name": "secret",
    "EMPTY": "",
    "IFS": "secret",
}


def make(folder, *names, server=None):
    return workspace.create(folder / "runs", PRINTENV, server or ToolServer(("true",)), names)


def launch(script, environment):
    done = subprocess.run(
        [script], env=environment, capture_output=True, text=True, timeout=5, check=False
    )
    return dict(line.partition("=")[::2] for line in done.stdout.splitlines())


def test_launcher_keeps_only_named_variables(tmp_path):
    space = make(tmp_path, "KEPT", "HOME")
    kept = launch(space.cli, {"PATH": os.defpath, "KEPT": "a b'\"$c", "HOME": "/h", **SECRETS})
    assert kept == {"PATH": os.defpath, "KEPT": "a b'\"$c", "HOME": "/h"}


def test_launcher_of_the_tool_server_drops_the_key_of_the_model(tmp_path):
    server = ToolServer((str(PRINTENV),), {"TOOLS": "x"})
    space = make(tmp_path, "ANTHROPIC_API_KEY", server=server)
    given = {"PATH": os.defpath, "TOOLS": "x", "ANTHROPIC_API_KEY": "sk"}
    assert launch(space.root / "tools", given) == {"PATH": os.defpath, "TOOLS": "x"}


def test_command_line_leads_its_own_process_group(tmp_path):
    space = workspace.create(tmp_path / "r", Path("/bin/sleep"), ToolServer(("true",)), ())
    with subprocess.Popen([space.cli, "60"], env={"PATH": os.defpath}) as process:
        while not space.pid_file.exists() or not space.pid_file.read_text().strip():
            pass
        assert int(space.pid_file.read_text()) == process.pid
        while os.getpgid(process.pid) != process.pid:
            pass
        assert space.kill()
        assert process.wait(5) == -9


def test_nothing_to_kill_before_the_start(tmp_path):
    assert make(tmp_path).kill() is False


def test_folder_is_private_and_removed(tmp_path):
    space = make(tmp_path)
    assert stat.S_IMODE(space.root.stat().st_mode) == 0o700
    assert stat.S_IMODE(space.mcp_config.stat().st_mode) == 0o600
    assert list(space.home.iterdir()) == []
    space.remove()
    assert not space.root.exists()


def test_folder_that_cannot_be_made_is_unavailable(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(AgentUnavailable, match="cannot be made"):
        make(tmp_path)


def test_leftovers_of_killed_runs_are_deleted_and_living_ones_kept(tmp_path):
    dead, starting, living = make(tmp_path), make(tmp_path), make(tmp_path)
    with subprocess.Popen(["true"]) as ended:
        pass
    dead.pid_file.write_text(str(ended.pid))
    living.pid_file.write_text(str(os.getpid()))
    make(tmp_path)
    assert not dead.root.exists()
    assert starting.root.exists()
    assert living.root.exists()


def run_python(folder, text):
    """A program in place of the command line."""
    file = folder / "program.py"
    file.write_text(f"#!{sys.executable}\n{text}\n")
    file.chmod(0o700)
    space = workspace.create(folder / "runs", file, ToolServer(("true",)), ())
    environment = {"PATH": os.defpath}
    return subprocess.run(
        [space.cli], env=environment, capture_output=True, timeout=20, check=False
    )


def test_program_that_takes_too_much_memory_gets_none(tmp_path):
    done = run_python(tmp_path, f"bytearray({workspace.MEMORY_BYTES + (64 << 20)})")
    assert b"MemoryError" in done.stderr


def test_program_that_writes_a_huge_file_is_stopped(tmp_path):
    text = f"open('{tmp_path}/huge', 'wb').write(bytes({workspace.FILE_BYTES + 1}))"
    run_python(tmp_path, text)
    assert 0 < (tmp_path / "huge").stat().st_size <= workspace.FILE_BYTES


def test_folder_that_is_filled_ends_the_run(tmp_path):
    space = make(tmp_path)
    assert space.excess() is None
    with (space.home / "filler").open("wb") as file:
        file.truncate(workspace.DISK_BYTES + 1)
    assert isinstance(space.excess(), AgentLimitReached)
