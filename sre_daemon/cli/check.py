"""`check`: every mistake in configuration, policy and runbooks, without reading secrets."""

from dataclasses import dataclass, field
from pathlib import Path

from sre_daemon import documents, settings
from sre_daemon.agent import runbook_file
from sre_daemon.errors import ConfigError
from sre_daemon.policy import file as policy_file


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


def check(files: list[Path]) -> Findings:
    """Look at each file, and at those that a settings file names."""
    findings = Findings()
    for path in files:
        try:
            _one(path, findings)
        except ConfigError as failure:
            findings.errors.append(failure)
    return findings


def _one(path: Path, findings: Findings) -> None:
    if path.is_dir() or path.suffix == ".md":
        found = runbook_file.load([path])
        findings.checked.append(f"{path}: {len(found)} runbooks")
        if not found:
            findings.warnings.append(f"{path}: no runbook in it")
        return
    text = documents.read(path)
    keys = {line.partition(":")[0] for line in text.splitlines() if line[:1].isalpha()}
    if "data_dir" in keys or "prometheus" in keys:
        _settings(path, findings)
    elif "policies" in keys or "mode" in keys:
        _policy(path, findings)
    elif "files" in keys or "services" in keys:
        # Guardrails and health files belong to the tool server, which reads them at its start.
        findings.checked.append(f"{path}: read by the tool server (`sre-daemon tools`)")
    else:
        raise ConfigError(
            f"{path}: is neither settings nor a policy nor a runbook",
            "settings have data_dir, a policy has policies, a runbook ends in .md",
        )


def _settings(path: Path, findings: Findings) -> None:
    loaded = settings.load(path)
    findings.checked.append(f"{path}: settings")
    if loaded.policy is None:
        findings.warnings.append(f"{path}: no policy, so nothing is ever changed")
    else:
        _policy(loaded.policy, findings)
    if not loaded.alertmanagers:
        findings.warnings.append(f"{path}: no alertmanagers, so silences are not seen")
    if not loaded.runbooks:
        findings.warnings.append(f"{path}: no runbooks, so without a model nothing is found")
    for folder in loaded.runbooks:
        _one(folder, findings)
    for name in ("guardrails", "health", "config_root"):
        file = getattr(loaded, name)
        if file is not None and not file.exists():
            findings.errors.append(ConfigError(f"{path}: {name}: {file} does not exist"))


def _policy(path: Path, findings: Findings) -> None:
    try:
        loaded = policy_file.load(path)
    except ConfigError as failure:
        findings.errors.append(failure)
        return
    findings.checked.append(f"{path}: {len(loaded.policies)} policies, mode {loaded.mode}")
    findings.warnings += [f"{path}: {warning}" for warning in policy_file.lint(loaded)]
