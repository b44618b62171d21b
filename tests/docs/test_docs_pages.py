"""What the pages name exists: links, paths, commands, targets, metrics, reasons, settings."""

import re
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest
import typer

from sre_daemon.cli.main import app
from sre_daemon.domain.verdict import REASONS
from sre_daemon.metrics import Metrics
from sre_daemon.settings import load

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# The first word of a path in this repository, when it is written as code.
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "build"}


def name(page):
    return str(page.relative_to(ROOT))


def text(page):
    return page.read_text(encoding="utf-8")


def prose(page):
    """Without blocks of code."""
    return FENCE.sub("", text(page))


def anchors(page):
    """The names of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", item.lower()).replace(" ", "-") for item in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page):
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name(page)}: {link}"
        assert target.is_relative_to(ROOT), f"{name(page)}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{name(page)}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_written_as_code_exists(page):
    if page.name == "CHANGELOG.md":
        return
    for code in re.findall(r"`([\w.*-]+/[\w./*{}-]+)`", prose(page)):
        first, *_ = code.split("/")
        # Settings, addresses and files of a running system begin with other words.
        if first in FOLDERS and (ROOT / first).is_dir():
            pattern = code.rstrip("/")
            assert list(ROOT.glob(pattern)), f"{name(page)}: {code}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_target_of_make_exists(page):
    targets = set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z][a-z-]*)", text(page), re.MULTILINE))
    assert named <= targets, f"{name(page)}: {named - targets}"


def commands():
    """All commands with their options, such as `incident show`."""
    found = {}

    def walk(command, path):
        inner = getattr(command, "commands", None)
        if inner is None:
            found[path] = {flag for param in command.params for flag in param.opts}
        for word, item in (inner or {}).items():
            walk(item, f"{path} {word}".strip())

    walk(typer.main.get_command(app), "")
    return found


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_and_option_exists(page):
    known = commands()
    for line in re.findall(r"(?:`|^|\s)sre-daemon ((?!-)[a-z][^`\n|]*)", text(page), re.MULTILINE):
        words = line.split("#")[0].split()
        path = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]
        if path not in known:
            # A sentence that begins with the program's name, such as "sre-daemon answers".
            in_code = f"`sre-daemon {words[0]}" in text(page)
            group = any(command.startswith(f"{path} ") for command in known)
            assert not in_code or group, f"{name(page)}: sre-daemon {line}"
            continue
        options = {word.split("=")[0] for word in words if re.match(r"--[a-z]", word)}
        assert options <= known[path] | {"--help"}, f"{name(page)}: sre-daemon {line}"


def test_metrics_that_pages_name_are_exported():
    exported = set()
    for family in Metrics().registry.collect():
        exported |= {family.name, *(sample.name for sample in family.samples)}
        exported |= {f"{family.name}_{end}" for end in ("total", "bucket", "sum", "count", "info")}
    for page in PAGES:
        named = set(re.findall(r"`(sre_daemon_[a-z_]+)", prose(page)))
        # Modules begin with the same word.
        named = {item for item in named if not (ROOT / item).exists()}
        assert named <= exported, f"{name(page)}: {named - exported}"


def test_reasons_in_troubleshooting_are_those_of_the_code():
    table = text(ROOT / "docs" / "troubleshooting.md").split("| reason |")[1].split("\n\n")[0]
    named = {
        code
        for row in table.splitlines()[2:]
        for code in re.findall(r"`([a-z_]+)`", row.split("|")[1])
    }
    assert len(named) > 10
    assert named <= set(REASONS)


def test_every_page_is_found_from_the_index():
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / link.split("#")[0]).resolve() for link in LINK.findall(text(index))}
    for page in (ROOT / "docs").glob("*.md"):
        assert page in linked or page == index, name(page)


def test_readme_keeps_its_order():
    assert re.findall(r"^## (.*)$", text(ROOT / "README.md"), re.MULTILINE) == [
        "Quickstart",
        "What it can never do",
        "Your own system",
        "More",
    ]
    assert "```mermaid" in text(ROOT / "README.md").split("## Quickstart")[0]


def test_settings_in_the_readme_are_read(tmp_path):
    (example,) = [code for kind, code in FENCE.findall(text(ROOT / "README.md")) if kind == "yaml"]
    file = tmp_path / "sre-daemon.yaml"
    file.write_text(example)
    assert load(file).listen == "127.0.0.1:9911"


def test_every_package_has_a_place_in_the_architecture():
    page = text(ROOT / "docs" / "architecture.md")
    table = page.split("## The rooms")[1].split("## ")[0]
    contracts = tomllib.loads(text(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = [c["layers"] for c in contracts if c["name"] == "The daemon's layers"]
    for layer in layers:
        for package in layer.split(" | "):
            assert f"`{package}`" in table, package
    (tools,) = [c["layers"] for c in contracts if c["name"] == "The tool server's layers"]
    for package in " | ".join(tools).split(" | "):
        assert re.search(rf"\b{package}\b", table), package


def test_agents_page_is_short():
    assert len(text(ROOT / "AGENTS.md").splitlines()) < 80


@pytest.mark.parametrize("page", [*PAGES, *(ROOT / "stack" / "runbooks").glob("*.md")], ids=name)
def test_one_sentence_per_line(page):
    if re.search(r"made from the code|Made by `make", text(page)):
        return
    for line in prose(page).splitlines():
        plain = re.sub(r"`[^`]*`|\([^)]*\)|\"[^\"]*\"", "x", line)
        if line.startswith(("|", "- ", "1", "2", "3", "4", "5", "    ", ">")) or "http" in plain:
            continue
        assert not re.search(r"[a-z]{3}\. [A-Z]", plain), f"{name(page)}: {line}"
