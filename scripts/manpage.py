"""The manual page, made from the command line's own help."""

from typing import Any

from sre_daemon import __version__
from sre_daemon.settings import VARIABLES


def manpage(command: Any) -> str:
    """Section 1, in the macros of man(7)."""
    lines = [
        f'.TH SRE\\-DAEMON 1 "" "sre\\-daemon {__version__}" "User Commands"',
        ".SH NAME",
        "sre\\-daemon \\- answers Prometheus alerts by itself, under a policy",
        ".SH SYNOPSIS",
        ".B sre\\-daemon",
        ".I COMMAND",
        "[options]",
        ".SH DESCRIPTION",
        "Takes Alertmanager's webhooks, stores them, investigates, repairs only where a policy file",
        "allows it, proves each repair with metrics, and tells people.",
        ".SH COMMANDS",
        *_commands(command, ""),
        ".SH EXIT STATUS",
        "0 done; 1 the answer is no, or a finding; 2 wrong usage or configuration;",
        "3 a dependency is not reachable.",
        ".SH ENVIRONMENT",
        "Each also with the suffix _FILE, which names a file with the value.",
    ]
    for variable in VARIABLES.values():
        lines += [".TP", f".B {_plain(variable)}", "See the page on configuration."]
    return "\n".join(lines) + "\n"


def _commands(command: Any, path: str) -> list[str]:
    if hasattr(command, "commands"):
        return [
            line
            for name, inner in command.commands.items()
            for line in _commands(inner, f"{path} {name}".strip())
        ]
    lines = [f".SS {_plain(path)}", _plain((command.help or "").strip())]
    for parameter in command.params:
        if parameter.name == "help":
            continue
        argument = parameter.param_type_name == "argument"
        names = [parameter.metavar or parameter.name.upper()] if argument else parameter.opts
        lines += [
            ".TP",
            f".B {_plain(', '.join(names))}",
            _plain(" ".join((getattr(parameter, "help", None) or "").split())),
        ]
    return lines


def _plain(text: str) -> str:
    """Text without meaning to the formatter."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(
        f"\\&{line}" if line[:1] in {".", "'"} else line for line in escaped.splitlines()
    )
