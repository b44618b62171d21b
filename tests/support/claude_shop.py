"""A running shop whose daemon asks a scripted model, and has no runbook to fall back on."""

from contextlib import asynccontextmanager

from stack.embedded import DEFAULT_POLICY
from tests.support.messages_api import serve
from tests.support.shop import running_shop


@asynccontextmanager
async def claude_shop(folder, behaviour, **options):
    """The shop; `shop.model` is the Messages API, `shop.policy` the policy file."""
    folder.chmod(0o755)
    file = folder / "policy.yaml"
    file.write_text(DEFAULT_POLICY.read_text())
    async with serve(behaviour) as api:
        env = {"ANTHROPIC_API_KEY": "scripted-key", "ANTHROPIC_BASE_URL": api.url}
        async with running_shop(
            folder / "shop", policy=file, daemon_env=env, settings={"runbooks": []}, **options
        ) as shop:
            shop.policy = file
            shop.model = api
            yield shop
