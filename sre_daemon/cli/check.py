"""`check`: every mistake in settings, policy, guardrails and runbooks, without reading secrets."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from mcp_tools.guard.guardrails import Guardrails
from mcp_tools.tools.health import HealthFile
from sre_daemon import documents, settings
from sre_daemon.agent.runbook import file as runbook_file
from sre_daemon.errors import ConfigError
from sre_daemon.notify.routing import routes_for
from sre_daemon.policy import file as policy_file
from sre_daemon.policy.allow import AllowConfigSet, AllowService
from sre_daemon.policy.lint import lint

M = TypeVar("M", bound=BaseModel)


@dataclass
class Findings:
    """What was looked at and what was found."""

    checked: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[ConfigError] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 fine, 1 warnings, 2 errors."""
        return 2 if self.errors else 1 if self.warnings else 0

    def wrong(self, failure: ConfigError) -> None:
        """An error, or several that one file's reader has joined: one for each mistake."""
        name = re.match(r"(.*?):\d+: ", failure.reason)
        parts = [failure.reason]
        if name is not None:
            parts = re.split(rf"; (?={re.escape(name[1])}:\d+: )", failure.reason)
        self.errors += [ConfigError(part, failure.hint) for part in parts]


def check(files: list[Path]) -> Findings:
    """Look at each file, and at those that a settings file names."""
    findings = Findings()
    for path in files:
        try:
            _one(path, findings)
        except ConfigError as failure:
            findings.wrong(failure)
    return findings


def _one(path: Path, findings: Findings) -> None:
    if path.is_dir() or path.suffix == ".md":
        _runbooks([path], findings)
        return
    text = documents.read(path)
    keys = set(re.findall(r"^([a-z_]+)\s*:", text, re.MULTILINE))
    if {"data_dir", "prometheus", "listen"} & keys:
        _settings(path, findings)
    elif {"policies", "mode"} & keys:
        _policy(path, findings)
    elif "files" in keys:
        _guardrails(path, findings)
    elif "services" in keys:
        _health(path, findings)
    else:
        raise ConfigError(
            f"{path}:1: is neither settings nor policy nor guardrails nor health file",
            "settings have data_dir, a policy has policies, guardrails have files, health services",
        )


def _settings(path: Path, findings: Findings) -> None:
    loaded = settings.load(path)
    findings.checked.append(f"{path}: settings")
    policy = None
    if loaded.policy is None:
        findings.warnings.append(f"{path}: no policy, so nothing is ever changed")
    else:
        policy = _policy(loaded.policy, findings)
    if not loaded.alertmanagers:
        findings.warnings.append(f"{path}: no alertmanagers, so silences are not seen")
    if not loaded.runbooks:
        findings.warnings.append(f"{path}: no runbooks, so without a model nothing is found")
    _runbooks(loaded.runbooks, findings)
    guardrails = None if loaded.guardrails is None else _guardrails(loaded.guardrails, findings)
    if loaded.health is not None:
        _health(loaded.health, findings)
    if loaded.config_root is not None and not loaded.config_root.is_dir():
        findings.errors.append(
            ConfigError(f"{path}: config_root: {loaded.config_root} is no directory")
        )
    _people(path, loaded, findings)
    _runtime(path, loaded.runtime, findings)
    if policy is not None:
        in_vain = _in_vain(policy, guardrails, loaded.services)
        findings.warnings += [f"{loaded.policy}:{line}: {text}" for line, text in in_vain]


def _people(path: Path, loaded: settings.Settings, findings: Findings) -> None:
    try:
        routes_for(loaded.notify)
    except ConfigError as failure:
        findings.errors.append(ConfigError(f"{path}: {failure.reason}", failure.hint))


NEEDED = {"supervisor": ("socket",), "compose": ("project", "file")}


def _runtime(path: Path, runtime: settings.RuntimeSettings, findings: Findings) -> None:
    """What the kind needs must be there, and the files must exist."""
    for key in NEEDED.get(runtime.kind, ()):
        if getattr(runtime, key) is None:
            findings.errors.append(
                ConfigError(f"{path}: runtime.{key}: {runtime.kind} needs its {key}")
            )
    for file in (runtime.file, runtime.env_file, *runtime.pinned):
        if file is not None and not file.is_file():
            findings.errors.append(ConfigError(f"{path}: runtime: {file} is no file"))
    if runtime.kind == "compose" and not runtime.pinned:
        findings.warnings.append(f"{path}: runtime.pinned is empty, so any Compose file is used")


def _in_vain(
    policy: policy_file.Policy, guardrails: Guardrails | None, services: tuple[str, ...]
) -> Iterator[tuple[int, str]]:
    """What a policy allows although the tool server will refuse it, each with its line."""
    for number, rule in enumerate(policy.policies):
        for position, allow in enumerate(rule.allow):
            line = policy.lines.of("policies", number, "allow", position)
            if isinstance(allow, AllowService) and allow.service not in services:
                what = (
                    f"{allow.effect} of {allow.service}, which is not one of the settings' services"
                )
                yield line, f"{rule.name}: allows {what}: it is always refused"
            if (
                isinstance(allow, AllowConfigSet)
                and guardrails is not None
                and allow.key not in guardrails.files.get(allow.path, {})
            ):
                what = f"{allow.key} in {allow.path}, which the guardrails do not list"
                yield line, f"{rule.name}: allows {what}: it is always refused"


def _policy(path: Path, findings: Findings) -> policy_file.Policy | None:
    try:
        loaded = policy_file.load(path)
    except ConfigError as failure:
        findings.wrong(failure)
        return None
    findings.checked.append(f"{path}: {len(loaded.policies)} policies, mode {loaded.mode}")
    findings.warnings += [f"{path}:{warned.line}: {warned.text}" for warned in lint(loaded)]
    return loaded


def _guardrails(path: Path, findings: Findings) -> Guardrails | None:
    return _document(path, Guardrails, "guardrails", findings)


def _health(path: Path, findings: Findings) -> None:
    _document(path, HealthFile, "health checks", findings)


def _document(path: Path, model: type[M], what: str, findings: Findings) -> M | None:
    try:
        loaded = documents.load(path, model)
    except ConfigError as failure:
        findings.wrong(failure)
        return None
    findings.checked.append(f"{path}: {what}")
    return loaded


def _runbooks(paths: list[Path] | tuple[Path, ...], findings: Findings) -> None:
    files = [
        file
        for path in paths
        for file in (sorted(path.glob("*.md")) or [path] if path.is_dir() else [path])
    ]
    good: list[Path] = []
    for file in files:
        if file.is_dir():
            findings.warnings.append(f"{file}: no runbook in it")
            continue
        try:
            findings.checked.append(f"{file}: runbook {runbook_file.read(file).name}")
            good.append(file)
        except ConfigError as failure:
            findings.wrong(failure)
    try:
        runbook_file.load(good)  # together, for names that are taken
    except ConfigError as failure:
        findings.wrong(failure)
