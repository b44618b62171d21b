"""What is shipped works where nothing else is: the wheel, the source distribution, the unit, the manifests."""

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from pathlib import Path

import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from tests.support.ports import free_port
from tests.support.tool_server import wait_for

REPOSITORY = Path(__file__).parents[2]
MANIFESTS = REPOSITORY / "deploy/kubernetes/sre-daemon.yaml"
UNTRACKED = (".*", "build", "dist", "node_modules", "__pycache__", "*.egg-info")
UNIT = REPOSITORY / "deploy/systemd/sre-daemon.service"
SETTINGS = """
listen: 127.0.0.1:{port}
data_dir: data
prometheus: {{url: http://127.0.0.1:1}}
policy: policy.yaml
"""
POLICY = "version: 1\nmode: observe\n"

pytestmark = pytest.mark.timeout(400)


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """The sdist, and the wheel that is built from it alone."""
    # Of a copy: building writes into the sources, which other tests read.
    sources = tmp_path_factory.mktemp("sources") / "project"
    shutil.copytree(REPOSITORY, sources, ignore=shutil.ignore_patterns(*UNTRACKED), symlinks=True)
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", str(folder), cwd=sources)
    return folder


@pytest.fixture(scope="module")
def installed(distributions, tmp_path_factory):
    """The programs of an environment that holds the wheel and what it asks for, and no more."""
    folder = tmp_path_factory.mktemp("empty") / "env"
    run(sys.executable, "-m", "venv", str(folder))
    (wheel,) = distributions.glob("*.whl")
    constraints = REPOSITORY / "constraints.txt"
    run(str(folder / "bin/pip"), "install", "--quiet", "-c", str(constraints), str(wheel))
    return folder / "bin"


def test_help_names_every_command(installed, tmp_path):
    told = run(str(installed / "sre-daemon"), "--help", cwd=tmp_path)
    for command in ("serve", "check", "incident", "policy", "pause", "resume", "tools", "version"):
        assert command in told


def test_installed_daemon_checks_serves_and_stops(installed, tmp_path):
    port = free_port()
    file = tmp_path / "sre-daemon.yaml"
    file.write_text(SETTINGS.format(port=port))
    (tmp_path / "policy.yaml").write_text(POLICY)
    program = str(installed / "sre-daemon")
    checked = subprocess.run([program, "check", str(file)], capture_output=True, check=False)
    assert checked.returncode == 1  # `mode: observe` is a warning
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    environ["SRE_DAEMON_WEBHOOK_TOKEN"] = "t" * 32
    daemon = subprocess.Popen(
        [program, "serve", "--config", str(file)],
        cwd=tmp_path,
        env=environ,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: healthy(port), "the installed daemon answers", 30)
        daemon.send_signal(signal.SIGTERM)
        _, told = daemon.communicate(timeout=20)
    finally:
        daemon.kill()
        daemon.communicate()
    assert daemon.returncode == 0, told


def healthy(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


def test_completion_knows_the_commands(installed, tmp_path):
    environ = {**os.environ, "_SRE_DAEMON_COMPLETE": "complete_bash"}
    environ |= {"COMP_WORDS": "sre-daemon inc", "COMP_CWORD": "1"}
    told = subprocess.run(
        [str(installed / "sre-daemon")], capture_output=True, text=True, env=environ, check=False
    ).stdout
    assert told.split() == ["incident"]


def test_manual_page_is_installed_and_reads_well(installed):
    page = installed.parent / "share/man/man1/sre-daemon.1"
    shown = run("man", "--warnings", "-l", str(page), env={**os.environ, "MANWIDTH": "80"})
    assert "policy explain" in shown
    assert "EXIT STATUS" in shown


def test_source_distribution_holds_what_the_wheel_holds(distributions):
    (wheel,) = distributions.glob("*.whl")
    (sdist,) = distributions.glob("*.tar.gz")
    shipped = {
        name
        for name in zipfile.ZipFile(wheel).namelist()
        if name.startswith(("sre_daemon/", "mcp_tools/"))
    }
    with tarfile.open(sdist) as archive:
        kept = {name.partition("/")[2] for name in archive.getnames()}
    tracked = run("git", "ls-files", "sre_daemon", "mcp_tools", cwd=REPOSITORY).split()
    assert shipped == set(tracked)
    assert shipped <= kept


def test_unit_is_valid_and_hardened(installed, tmp_path):
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/sre-daemon/bin", str(installed)))
    run("systemd-analyze", "verify", "--man=no", str(unit))
    run("systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit))


def documents():
    return list(YAML(typ="safe").load_all(MANIFESTS.read_text()))


def test_manifests_follow_the_schema_of_kubernetes():
    kinds = [document["kind"] for document in documents()]
    assert kinds == [
        "ServiceAccount",
        "ConfigMap",
        "Deployment",
        "Service",
        "PodDisruptionBudget",
        "NetworkPolicy",
    ]
    for document in documents():
        kubernetes_validate.validate(document, "1.31", strict=True)


def test_schema_check_would_notice_a_misspelt_key():
    deployment = next(item for item in documents() if item["kind"] == "Deployment")
    deployment["spec"]["replica"] = deployment["spec"].pop("replicas")
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(deployment, "1.31", strict=True)


def test_settings_in_the_manifests_start_a_daemon(installed, tmp_path):
    config = next(item for item in documents() if item["kind"] == "ConfigMap")
    for name, text in config["data"].items():
        (tmp_path / name).write_text(text)
    checked = subprocess.run(
        [str(installed / "sre-daemon"), "check", str(tmp_path / "sre-daemon.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    # Warnings only: nothing is changed in this mode, and there are no runbooks yet.
    assert checked.returncode == 1, checked.stderr


def test_no_pod_may_do_more_than_it_needs():
    account = next(item for item in documents() if item["kind"] == "ServiceAccount")
    deployment = next(item for item in documents() if item["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert account["automountServiceAccountToken"] is False
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
