"""The private folder of one run of the Claude command line: its home, settings and launchers.

The command line and the tool server are started through generated shell scripts, because the SDK
hands its own process's whole environment down: the scripts keep only named variables, make a
process group of their own, cap what they may use, and have the kernel kill them when their parent dies.
No secret is on a command line; the files are readable by this user only.
"""

import json
import os
import shlex
import shutil
import signal
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sre_daemon.errors import AgentError, AgentLimitReached, AgentUnavailable, FaultKind
from sre_daemon.toolclient import ToolServer

SERVER = "sre"
INHERITED = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    # Operators behind a proxy or with their own certificate authority need these.
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
)
# Names come from /proc, because `env` prints values with line breaks that look like more names;
# `cat` opens the file itself, since /proc shows nothing of a process that has called exec since.
# Variables are removed by name, so that no value is ever an argument.
LAUNCHER = """\
#!/bin/sh
set -f
IFS='
'
set -- {command} "$@"
names=$(cat /proc/self/environ | tr '\\n\\0' ' \\n' | sed 's/=.*//')
[ -n "$names" ] || exit 1
for name in $names; do
  case ' {keep} ' in
    *" $name "*) ;;
    *) set -- -u "$name" "$@" ;;
  esac
done
{before}
# A cap that cannot be set was already lower.
ulimit -c 0 || :
ulimit -d {memory} || :
ulimit -f {file} || :
exec env "$@"
"""
# Caps of one process. The command line takes about 150 MB, a tool server 60 MB.
MEMORY_BYTES = 2 << 30
FILE_BYTES = 64 << 20
# Of the folder of a run; the command line and its tool server write next to nothing.
DISK_BYTES = 256 << 20
# A socket's path may have no more bytes than this.
MAX_SOCKET_PATH = 103


@dataclass(frozen=True, slots=True)
class Workspace:
    """Paths inside the folder of one run."""

    root: Path
    inbox: Path

    @property
    def home(self) -> Path:
        """HOME, working directory and configuration of the command line; empty at first."""
        return self.root / "home"

    @property
    def temporary(self) -> Path:
        """Where it and its children put temporary files."""
        return self.root / "tmp"

    @property
    def cli(self) -> Path:
        """The launcher of the command line."""
        return self.root / "claude"

    @property
    def mcp_config(self) -> Path:
        """The command line's list of tool servers: ours."""
        return self.root / "mcp.json"

    @property
    def pid_file(self) -> Path:
        """Where the command line's process id, which is also its group's, stands."""
        return self.root / "pid"

    def kill(self) -> bool:
        """Kill the command line's whole process group; False when it has not started yet."""
        try:
            group = int(self.pid_file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return False
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        return True

    def over(self) -> bool:
        """Whether the command line has run and is gone."""
        try:
            os.kill(int(self.pid_file.read_text(encoding="ascii")), 0)
        except ProcessLookupError:
            return True
        except (OSError, ValueError):
            return False
        return False

    def close_inbox(self) -> None:
        """Take the door away that the command line opens to other programs; it cannot be told not to."""
        self.inbox.unlink(missing_ok=True)

    def excess(self) -> AgentError | None:
        """The error of a run that has filled its folder."""
        used = 0
        for folder, _, names in os.walk(self.root):
            for name in names:
                with suppress(OSError):
                    used += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - twice as fast, every two seconds
        if used <= DISK_BYTES:
            return None
        return AgentLimitReached(
            f"the run wrote {used >> 20} MiB to its folder",
            "this is a fault: look at its transcript",
        )

    def remove(self) -> None:
        """Delete everything; what was there may have been secret."""
        shutil.rmtree(self.root, ignore_errors=True)
        if self.inbox.parent != self.root:
            shutil.rmtree(self.inbox.parent, ignore_errors=True)


def create(parent: Path, cli: Path, server: ToolServer, names: Iterable[str]) -> Workspace:
    """Make the folder of one run under `parent`; `names` are the variables the command line keeps.

    Raises:
        AgentUnavailable: the folder cannot be written, or a program is not installed.
    """
    setpriv, setsid = shutil.which("setpriv"), shutil.which("setsid")
    if setpriv is None or setsid is None:
        raise AgentUnavailable(
            "setpriv and setsid are needed to start the agent safely",
            "install util-linux",
            kind=FaultKind.MACHINE,
        )
    guarded = [setpriv, "--pdeathsig", "KILL"]
    try:
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _sweep(parent)
        root = Path(tempfile.mkdtemp(prefix="run-", dir=parent)).resolve()
        space = Workspace(root, _inbox(root))
        space.home.mkdir(mode=0o700)
        space.temporary.mkdir(mode=0o700)
        tools = space.root / "tools"
        # Not behind setsid: the tool server stays in the command line's group, and dies with it.
        _launcher(tools, [*guarded, *server.command], [*INHERITED, *server.env], _cd(server.cwd))
        _launcher(
            space.cli,
            [*guarded, setsid, str(cli)],
            [*INHERITED, *names],
            f"echo $$ > {shlex.quote(str(space.pid_file))}",
        )
        config = {"command": str(tools), "args": [], "env": dict(server.env)}
        _write(space.mcp_config, json.dumps({"mcpServers": {SERVER: config}}), 0o600)
    except OSError as failure:
        raise AgentUnavailable(
            f"the folder of the run cannot be made in {parent}: {failure.strerror}",
            "check data_dir, its permissions and free space",
            kind=FaultKind.MACHINE,
        ) from failure
    return space


def _sweep(parent: Path) -> None:
    """Delete what runs left behind when their daemon was killed."""
    for folder in parent.glob("run-*"):
        space = Workspace(folder, folder / "inbox")
        if space.over():
            space.remove()


def _inbox(root: Path) -> Path:
    inbox = root / "inbox"
    if len(os.fsencode(inbox)) <= MAX_SOCKET_PATH:
        return inbox
    return Path(tempfile.mkdtemp(prefix="sre-")) / "inbox"


def _cd(directory: Path | None) -> str:
    return "" if directory is None else f"cd {shlex.quote(str(directory))} || exit 1"


def _launcher(path: Path, command: Sequence[str], keep: Iterable[str], before: str) -> None:
    script = LAUNCHER.format(
        command=shlex.join(command),
        keep=" ".join(keep),
        before=before,
        # In units of 1024 and of 512 bytes.
        memory=MEMORY_BYTES >> 10,
        file=FILE_BYTES >> 9,
    )
    _write(path, script, 0o700)


def _write(path: Path, text: str, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
