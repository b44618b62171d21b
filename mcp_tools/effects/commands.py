"""A command line read as one effect or one read. Nothing here, or anywhere, is given to a shell.

The documented forms are the whole grammar. Everything else is refused; the dangerous classes get
a sentence of their own, so that the caller learns why.
"""

import re
import shlex
from dataclasses import dataclass
from enum import StrEnum

from mcp_tools.effects.wire import ServiceRedeploy, ServiceRestart
from mcp_tools.errors import Refused

RULE = "command_not_allowed"
FORMS = (
    "docker compose ps [SERVICE]",
    "docker compose logs [--tail N] SERVICE",
    "docker compose up -d SERVICE",
    "docker compose restart SERVICE",
    "docker restart SERVICE",
)
HINT = f"Allowed: {'; '.join(FORMS)} (also docker-compose, with -f config/docker-compose.yml)."
COMPOSE_FILE = "config/docker-compose.yml"
MAX_LENGTH = 300
DEFAULT_TAIL = 50
MAX_TAIL = 200


class Action(StrEnum):
    """What a command comes to."""

    LIST = "ps"
    LOGS = "logs"
    RESTART = "restart"
    REDEPLOY = "redeploy"


@dataclass(frozen=True, slots=True)
class Command:
    """A command that was understood. `service` is empty only for `ps` of all services."""

    action: Action
    service: str = ""
    tail: int = DEFAULT_TAIL

    @property
    def effect(self) -> ServiceRestart | ServiceRedeploy | None:
        """What it would change, or None for a read."""
        if self.action is Action.RESTART:
            return ServiceRestart(self.service)
        if self.action is Action.REDEPLOY:
            return ServiceRedeploy(self.service)
        return None


METACHARACTERS = re.compile(r"[;&|<>$`(){}*?!~\\\[\]^%]")
CODE = "It would run code of the caller's choice inside or beside a container."
DESTROYS = "It removes or stops what is running, or destroys data."
CHANGES_HOST = "It can reach the host's files, devices or privileges."
LEAVES = "It sends data out of, or brings code into, this system."
DANGERS = (
    dict.fromkeys(("run", "exec", "create", "attach", "start", "watch", "debug"), CODE)
    | dict.fromkeys(("down", "stop", "kill", "rm", "rmi", "pause", "prune", "system"), DESTROYS)
    | dict.fromkeys(("volume", "container", "image", "network", "unpause", "scale"), DESTROYS)
    | dict.fromkeys(("cp", "mount", "plugin", "swarm", "service", "stack", "update"), CHANGES_HOST)
    | dict.fromkeys(("node", "secret", "commit", "export", "save", "checkpoint"), CHANGES_HOST)
    | dict.fromkeys(("build", "buildx", "import", "load", "pull", "push", "publish"), LEAVES)
    | dict.fromkeys(("login", "logout", "search", "tag", "manifest", "trust"), LEAVES)
    | dict.fromkeys(("config", "convert", "inspect", "env"), "It prints secrets.")
    | {"context": "It talks to another machine's engine.", "alpha": CODE, "bridge": CODE}
)
FLAG_DANGERS = (
    (("-H", "--host", "--context", "-c", "--tls"), "It talks to another machine's engine."),
    (("--config",), "It loads programs from a folder of the caller's choice."),
    (("-f", "--file"), f"Only the compose file {COMPOSE_FILE} may be named."),
    (("--project-directory", "--env-file", "-p", "--project-name"), "It swaps the configuration."),
    (("--scale", "--remove-orphans", "-V", "--renew-anon-volumes"), DESTROYS),
    (("--privileged", "-v", "--volume", "--mount", "--entrypoint", "--user"), CHANGES_HOST),
    (("--build", "--pull"), LEAVES),
    (("--follow",), "It never ends."),
)


def _refuse(reason: str) -> Refused:
    return Refused(RULE, reason, HINT)


def read(command: str, services: tuple[str, ...]) -> Command:
    """Understand a command line.

    Raises:
        Refused: it is not one of the documented forms, or names a service that is not known.
    """
    words = _words(command)
    program = words.pop(0)
    compose = program == "docker-compose"
    if program == "docker" and words[:1] == ["compose"]:
        compose = True
        words.pop(0)
    elif program not in {"docker", "docker-compose"}:
        raise _refuse(f"{program!r} is not docker or docker-compose.")
    if compose and words[:2] == ["-f", COMPOSE_FILE]:
        words = words[2:]
    if not words:
        raise _refuse("The command names no subcommand.")
    subcommand, rest = words[0], words[1:]
    if subcommand == "ps":
        return _list(rest, services, compose=compose)
    if subcommand == "logs":
        return _logs(rest, services)
    if subcommand == "restart":
        return Command(Action.RESTART, _only_service(rest, services, "restart"))
    if compose and subcommand == "up":
        return _up(rest, services)
    _refuse_flags([subcommand])
    raise _refuse(DANGERS.get(subcommand, f"{subcommand!r} is not one of the allowed subcommands."))


def _words(command: str) -> list[str]:
    if len(command) > MAX_LENGTH:
        raise _refuse(f"The command is longer than {MAX_LENGTH} characters.")
    if not command.isascii() or not command.isprintable():
        raise _refuse("The command has a line break, a control or a non-ASCII character.")
    if METACHARACTERS.search(command):
        raise _refuse("No shell reads the command, so shell characters have no meaning in it.")
    try:
        words = shlex.split(command)
    except ValueError:
        raise _refuse("The quotes of the command do not match.") from None
    if not words:
        raise _refuse("The command is empty.")
    return words


def _refuse_flags(words: list[str]) -> None:
    for word in words:
        if not word.startswith("-"):
            continue
        for flags, reason in FLAG_DANGERS:
            for flag in flags:
                # Grouped short flags such as -DHtcp://x are flags too.
                grouped = not word.startswith("--") and len(flag) == 2 and flag[1] in word[1:]
                if word == flag or word.startswith(f"{flag}=") or (grouped and word != "-d"):
                    raise _refuse(reason)
        raise _refuse(f"The option {word!r} is not allowed here.")


def _only_service(words: list[str], services: tuple[str, ...], verb: str) -> str:
    _refuse_flags(words)
    if len(words) != 1:
        raise _refuse(f"Name exactly one service to {verb}.")
    return _service(words[0], services)


def _service(name: str, services: tuple[str, ...]) -> str:
    if name not in services:
        known = ", ".join(services) or "none is configured"
        raise Refused(RULE, f"{name!r} is not a known service.", f"Known services: {known}.")
    return name


def _list(words: list[str], services: tuple[str, ...], *, compose: bool) -> Command:
    if not words:
        return Command(Action.LIST)
    if not compose:
        raise _refuse("docker ps takes no arguments here.")
    return Command(Action.LIST, _only_service(words, services, "list"))


def _logs(words: list[str], services: tuple[str, ...]) -> Command:
    names, tail = [], DEFAULT_TAIL
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if name in {"--tail", "-n"}:
            tail = _number(value if equals else (words.pop(0) if words else ""))
        elif word not in {"--no-color", "--no-log-prefix"}:
            names.append(word)
    return Command(Action.LOGS, _only_service(names, services, "show logs of"), tail)


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text, re.ASCII):
        raise _refuse("--tail needs a number.")
    return max(1, min(int(text), MAX_TAIL))


def _up(words: list[str], services: tuple[str, ...]) -> Command:
    _refuse_flags([word for word in words if word not in {"-d", "--detach"}])
    detached = [word for word in words if word in {"-d", "--detach"}]
    names = [word for word in words if not word.startswith("-")]
    if len(detached) != 1:
        raise _refuse("Without -d the command would never end; give -d once.")
    if len(names) != 1:
        raise _refuse("`up` recreates everything that it is not told by name; name one service.")
    return Command(Action.REDEPLOY, _service(names[0], services))
