"""A PreToolUse hook for people who attach the tool server to an agent of their own.

`sre-tools-hook --config tools.json` reads one hook event from standard input. Exit code 2 blocks
the call and its words go to the model; every other code would let it through, so whatever cannot
be read or judged ends with 2, too. It is a second lock: the tool server itself checks the same.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mcp_tools import settings
from mcp_tools.clients.files import ConfigTree
from mcp_tools.effects import commands, document, edit
from mcp_tools.errors import ToolError
from mcp_tools.guard import Guardrails
from mcp_tools.guard.guardrails import check_changes
from mcp_tools.settings import ToolSettings

BLOCK = 2
MAX_EVENT = 1 << 20
# The agent's own ways to change a file or to run something, past the tool server.
FILE_TOOLS = {"Edit", "MultiEdit", "Write", "NotebookEdit"}
SHELL_TOOLS = {"Bash", "PowerShell"}
ENGINES = ("docker", "podman", "nerdctl")


def complaint(event: object, configured: ToolSettings) -> str:
    """Why the call must not happen; empty when it is none of ours or within the guardrails."""
    if not isinstance(event, Mapping) or not isinstance(event.get("tool_name"), str):
        return "The hook was given no tool call that it can read."
    arguments = event.get("tool_input")
    if not isinstance(arguments, Mapping):
        return "The hook was given no arguments that it can read."
    tool = str(event["tool_name"]).rpartition("__")[2]
    try:
        if tool == "edit_config_file":
            _edit(arguments, configured)
        elif tool == "run_shell_command":
            _command(str(arguments.get("command", "")), configured)
        elif tool in FILE_TOOLS:
            return _own_file(arguments, configured)
        elif tool in SHELL_TOOLS and any(name in str(arguments) for name in ENGINES):
            return "Containers are only touched through run_shell_command of the tool server."
    except ToolError as failure:
        return str(failure)
    return ""


def _edit(arguments: Mapping[str, Any], configured: ToolSettings) -> None:
    """Compute what the file would be, and hold every changed key to the guardrails."""
    if configured.config_root is None:
        raise ToolError("No configuration tree is configured.", "Set config_root.")
    wanted = [arguments.get(name) for name in ("path", "old_value", "new_value")]
    key = arguments.get("key")
    if not all(isinstance(item, str) for item in wanted) or not isinstance(key, str | None):
        raise ToolError("The arguments of the edit cannot be read.", "Give texts.")
    file = ConfigTree(configured.config_root, None).read(str(wanted[0]))
    planned = edit.plan(file.path, file.text, str(wanted[1]), str(wanted[2]), key)
    check_changes(Guardrails.load(configured.guardrails), planned.effects)


def _command(command: str, configured: ToolSettings) -> None:
    """Refuse what is no documented form, and a deploy while a file breaks the guardrails."""
    if commands.read(command, configured.services).effect is None:
        return
    guardrails = Guardrails.load(configured.guardrails)
    for path in guardrails.files if guardrails is not None else ():
        if guardrails is not None and configured.config_root is not None:
            file = ConfigTree(configured.config_root, None).read(path)
            guardrails.check_document(path, document.parse(path, file.text))


def _own_file(arguments: Mapping[str, Any], configured: ToolSettings) -> str:
    """Block the agent's own file tools below `config/`, where only the tool server may write."""
    named = arguments.get("file_path", arguments.get("notebook_path"))
    if not isinstance(named, str) or configured.config_root is None:
        return "" if configured.config_root is None else "The file of the edit cannot be read."
    folder = (configured.config_root / "config").resolve()
    target = Path(named).resolve()
    inside = target == folder or folder in target.parents
    return "Files below config/ are only changed with edit_config_file." if inside else ""


def run(argv: Sequence[str] | None = None) -> None:
    """The command: 0 lets the call through, 2 blocks it."""
    try:
        sys.exit(_judge(argv))
    except SystemExit as end:
        # argparse ends wrong usage with 2 as well, and --help with 0: nothing was asked then.
        raise SystemExit(end.code if end.code in {0, BLOCK} else BLOCK) from None
    except Exception as failure:  # noqa: BLE001 - an exit code of 1 would let the call through
        sys.stderr.write(f"The hook failed: {type(failure).__name__}. The call is blocked.\n")
        sys.exit(BLOCK)


def _judge(argv: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="sre-tools-hook", description="PreToolUse hook")
    parser.add_argument("--config", type=Path, help="the tool server's JSON file")
    options = parser.parse_args(argv)
    configured = settings.load(options.config)
    event = json.loads(sys.stdin.buffer.read(MAX_EVENT))
    reason = complaint(event, configured)
    if reason:
        sys.stderr.write(f"BLOCKED: {reason}\n")
        return BLOCK
    return 0


if __name__ == "__main__":
    run()
