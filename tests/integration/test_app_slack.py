"""The daemon as a whole, with Slack beside it."""

import json

import aiohttp
import pytest

from sre_daemon.app import Daemon
from sre_daemon.errors import ConfigError
from sre_daemon.settings import Secrets
from tests.integration.test_app_start import TOKEN, post, settings
from tests.support.slack import (
    APP_TOKEN,
    BOT,
    BOT_TOKEN,
    ROOM,
    SIGNING_SECRET,
    mention,
    workspace,
)

CHANNEL = f"notify: {{channels: [{{kind: slack, room: {ROOM}}}]}}\n"
PEOPLE = "people: [{user: U0ALICE, name: alice, role: approver}]"
SECRETS = Secrets(
    webhook_token=TOKEN,
    slack_bot_token=BOT_TOKEN,
    slack_app_token=APP_TOKEN,
    slack_signing_secret=SIGNING_SECRET,
)


async def test_alert_becomes_a_thread_and_a_question_is_answered(tmp_path):
    async with workspace() as slack:
        more = f"{CHANNEL}slack: {{url: '{slack.url}/api/', {PEOPLE}}}\n"
        daemon = await Daemon.start(settings(tmp_path, more), SECRETS)
        try:
            async with aiohttp.ClientSession(daemon.url) as http:
                assert await post(http) == 200
                await slack.until(
                    lambda: any("A person is needed" in str(m) for m in slack.messages())
                )
                await slack.until(lambda: slack.sockets)
                root = slack.messages()[0]["ts"]
                asked = mention(f"<@{BOT}> why?", thread=root, ts="1773459000.1")
                envelope = {"envelope_id": "e1", "type": "events_api", "payload": asked}
                await slack.sockets[0].send_json(envelope)
                # Without a model the answer is what is on record.
                await slack.until(
                    lambda: "No model can answer now" in str(slack.messages(thread=root))
                )
                assert json.dumps(slack.acks[0]) == '{"envelope_id": "e1"}'
        finally:
            await daemon.stop()


@pytest.mark.parametrize(
    ("secrets", "more"),
    [
        (Secrets(webhook_token=TOKEN), CHANNEL),
        (Secrets(webhook_token=TOKEN, slack_app_token=APP_TOKEN), ""),
        (Secrets(webhook_token=TOKEN, slack_signing_secret=SIGNING_SECRET), ""),
    ],
)
async def test_start_names_the_token_that_is_missing(tmp_path, secrets, more):
    with pytest.raises(ConfigError) as failed:
        await Daemon.start(settings(tmp_path, more), secrets)
    assert "SLACK_BOT_TOKEN" in str(failed.value)
