"""Secrets on their way through a real tool server: one key per installation, shared by all processes."""

import json
import stat

from mcp_tools import settings
from tests.support.tool_server import connected, supervisord, text, tree, wait_for

NOISY = """
import time
print("ERROR cannot log in as demo with hunter2-Long", flush=True)
print("-----BEGIN RSA PRIVATE KEY-----", flush=True)
print("MIIEpAIBAAKCAQEA7", flush=True)
print("-----END RSA PRIVATE KEY-----", flush=True)
print("url postgres://demo:hunter2-Long@db/shop", flush=True)
time.sleep(60)
"""


async def test_masks_are_the_same_in_every_process_of_an_installation(tmp_path):
    config = tree(tmp_path)
    masks = set()
    for _ in range(2):
        async with connected(config) as client:
            result = await client.call_tool("read_config_file", {"path": "config/api-server.env"})
            masks.add(result.structured_content["keys"]["DB_PASSWORD"])
            assert "hunter2" not in text(result) + json.dumps(result.structured_content)
            assert "equal masks" in result.structured_content["note"]
    assert len(masks) == 1
    key = tmp_path / "data" / "redaction.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(settings.masking_key(key)) == 32


async def test_a_secret_of_the_configuration_is_hidden_in_logs_too(tmp_path):
    with supervisord({"api-server": NOISY}) as (socket, folder):
        log = folder / "api-server.log"
        wait_for(lambda: "postgres://" in log.read_text(), "the service has logged")
        config = tree(tmp_path, runtime={"kind": "supervisor", "socket": str(socket)})
        env = tmp_path / "config" / "api-server.env"
        env.write_text(env.read_text().replace("hunter2", "hunter2-Long"))
        async with connected(config) as client:
            read = await client.call_tool("read_config_file", {"path": "config/api-server.env"})
            mask = read.structured_content["keys"]["DB_PASSWORD"]
            logs = await client.call_tool("get_container_logs", {"container": "api-server"})
            whole = text(logs) + json.dumps(logs.structured_content)
            assert "hunter2" not in whole
            assert "MIIEpAIBAAKCAQEA7" not in whole
            assert whole.count(mask) == 4


async def test_error_texts_are_masked_too(tmp_path):
    async with connected(tree(tmp_path)) as client:
        result = await client.call_tool("get_logs", {"service": "password=hunter2"})
        assert result.is_error
        assert "hunter2" not in text(result)
