"""The config/ tree on a real file system: no path, link, or special file leads out or blocks."""

import asyncio
import os

import pytest

from mcp_tools.clients.files import ConfigTree
from mcp_tools.errors import Refused, ToolError
from tests.support.tool_server import connected, text, tree


@pytest.fixture
def config(tmp_path):
    tree(tmp_path / "root")
    (tmp_path / "outside.env").write_text("SECRET_OF_HOST=1\n")
    return ConfigTree(tmp_path / "root", tmp_path / "copies")


@pytest.mark.parametrize(
    "path",
    [
        *("config/../../outside.env", "config/..", "../outside.env", "/etc/passwd", "etc/passwd"),
        *("config", "config/", "config//api-server.env", "config/./api-server.env", "", "."),
        *(
            "./config/api-server.env",
            "config-x/a.env",
            "config/\x00",
            "config\\a",
            "config/" + "a/" * 20,
        ),
        *("CONFIG/api-server.env", "config/a" + "b" * 600),
    ],
)
def test_spelled_escapes_are_refused(config, path):
    with pytest.raises(ToolError):
        config.read(path)


def test_links_are_never_followed(config, tmp_path):
    folder = tmp_path / "root" / "config"
    (folder / "link.env").symlink_to(tmp_path / "outside.env")
    (folder / "inner.env").symlink_to(folder / "api-server.env")
    (folder / "dir").symlink_to(tmp_path)
    for path in ("config/link.env", "config/inner.env", "config/dir/outside.env"):
        with pytest.raises(Refused):
            config.read(path)


def test_linked_config_folder_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.env").write_text("A=1\n")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "config").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused):
        ConfigTree(tmp_path / "root", None).read("config/a.env")


def test_hard_links_are_refused(config, tmp_path):
    os.link(tmp_path / "outside.env", tmp_path / "root" / "config" / "hard.env")
    with pytest.raises(Refused, match="second name"):
        config.read("config/hard.env")


async def test_fifo_and_folder_are_refused_at_once(config, tmp_path):
    os.mkfifo(tmp_path / "root" / "config" / "pipe.env")
    (tmp_path / "root" / "config" / "sub.env").mkdir()
    for path in ("config/pipe.env", "config/sub.env"):
        with pytest.raises(Refused, match="regular"):
            await asyncio.wait_for(asyncio.to_thread(config.read, path), 5)


def test_large_binary_and_undecodable_files_are_refused(config, tmp_path):
    folder = tmp_path / "root" / "config"
    (folder / "large.env").write_bytes(b"A=1\n" * 70_000)
    (folder / "nul.env").write_bytes(b"A=\x00\n")
    (folder / "latin.env").write_bytes(b"A=\xe9\n")
    for name in ("large", "nul", "latin"):
        with pytest.raises(Refused):
            config.read(f"config/{name}.env")


def test_missing_file_names_those_that_exist(config):
    with pytest.raises(ToolError, match=r"config/api-server\.env"):
        config.read("config/nothing.env")


def test_files_below_folders_are_read(config, tmp_path):
    (tmp_path / "root" / "config" / "sub").mkdir()
    (tmp_path / "root" / "config" / "sub" / "a.env").write_text("A=1\n")
    assert config.read("config/sub/a.env").text == "A=1\n"


def test_swapped_in_link_is_not_written_through(config, tmp_path):
    before = config.read("config/api-server.env")
    target = tmp_path / "root" / "config" / "api-server.env"
    target.unlink()
    target.symlink_to(tmp_path / "outside.env")
    with pytest.raises(Refused):
        config.replace(before, "DB_POOL_SIZE=20\n")
    assert (tmp_path / "outside.env").read_text() == "SECRET_OF_HOST=1\n"


def test_a_change_in_the_last_moment_is_not_overwritten(config, tmp_path, monkeypatch):
    before = config.read("config/api-server.env")
    target = tmp_path / "root" / "config" / "api-server.env"
    fchmod = os.fchmod

    def somebody_writes(descriptor, mode):
        fchmod(descriptor, mode)
        target.write_text("DB_POOL_SIZE=50\n")

    monkeypatch.setattr(os, "fchmod", somebody_writes)
    with pytest.raises(Refused, match="changed meanwhile"):
        config.replace(before, "DB_POOL_SIZE=20\n")
    assert target.read_text() == "DB_POOL_SIZE=50\n"
    assert [item.name for item in target.parent.iterdir() if "api-server.env." in item.name] == [
        "api-server.env.backup"
    ]


def test_mode_and_owner_are_kept(config, tmp_path):
    target = tmp_path / "root" / "config" / "api-server.env"
    target.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(target, 1234, 5678)
    was = target.stat()
    config.replace(config.read("config/api-server.env"), "DB_POOL_SIZE=20\n")
    now = target.stat()
    assert (now.st_mode, now.st_uid, now.st_gid) == (was.st_mode, was.st_uid, was.st_gid)


def test_without_a_folder_for_copies_nothing_is_written(tmp_path):
    tree(tmp_path / "root")
    config = ConfigTree(tmp_path / "root", None)
    before = config.read("config/api-server.env")
    with pytest.raises(Refused, match="copies"):
        config.replace(before, "DB_POOL_SIZE=20\n")
    assert config.read("config/api-server.env") == before


def test_the_same_content_is_kept_once(config, tmp_path):
    first = config.read("config/api-server.env")
    second, copy = config.replace(first, "A=1\n")
    _, _ = config.replace(second, first.text)
    _, again = config.replace(first, "A=1\n")
    assert copy == again
    assert len(list((tmp_path / "copies").iterdir())) == 2


async def test_secrets_are_masked_everywhere_in_the_answer(tmp_path):
    settings = tree(tmp_path)
    (tmp_path / "config" / "a.yaml").write_text(
        "db:\n  url: postgres://u:hunter2@db/x\n  apiKey: 'hunter2'\n  cert_key: |\n    hunter2hunter2\n# token: hunter2\n"
    )
    async with connected(settings) as client:
        for path in ("config/api-server.env", "config/api-server.env.backup", "config/a.yaml"):
            result = await client.call_tool("read_config_file", {"path": path})
            assert not result.is_error
            assert "hunter2" not in result.model_dump_json()
        assert result.structured_content["keys"]["db.url"].startswith("***")


async def test_hostile_text_in_config_is_made_visible(tmp_path):
    settings = tree(tmp_path)
    (tmp_path / "config" / "a.env").write_text("A=\u202eevil\u200b\x1b[2J\n")
    async with connected(settings) as client:
        result = await client.call_tool("read_config_file", {"path": "config/a.env"})
    assert result.structured_content["keys"] == {"A": "<U+202E>evil<U+200B>"}
    assert "A=<U+202E>evil<U+200B>" in text(result)


async def test_large_file_comes_bounded(tmp_path):
    settings = tree(tmp_path)
    (tmp_path / "config" / "a.env").write_text(
        "".join(f"KEY_{n}={'x' * 40}\n" for n in range(4000))
    )
    async with connected(settings) as client:
        result = await client.call_tool("read_config_file", {"path": "config/a.env"})
    assert not result.is_error
    assert "left out" in result.structured_content["note"]
    assert len(result.model_dump_json()) < 80_000
