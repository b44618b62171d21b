"""The channel to Slack: one thread per incident, kept up to date, within Slack's limits and errors."""

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from sre_daemon.domain.delivery import Delivery
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.errors import NotifyError, NotifyRefused
from sre_daemon.notify.message import compose
from sre_daemon.slack.channel import Desk, SlackChannel
from sre_daemon.slack.client import Slack
from sre_daemon.store.approvals import Approvals
from sre_daemon.store.hands import Hands
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import SqliteDatabase
from sre_daemon.store.threads import Threads
from tests.support.clock import ManualClock
from tests.support.slack import BOT_TOKEN, ROOM, Workspace, workspace
from tests.support.story import NIGHT, Story, approval, repaired

HOSTILE = "<!channel> *boom* <https://evil.example|click> & `rm`"


@dataclass
class Bench:
    """A channel over a store, and the workspace that it posts to."""

    slack: Workspace
    channel: SlackChannel
    client: Slack
    story: Story
    desk: Desk
    clock: ManualClock

    async def tells(self, incident, state, text="why", key="", **payload):
        payload = {
            "about": "state", "state": state, "reason": "", "text": text, "quiet": False,
            "at": NIGHT.isoformat(), "again": False, **payload,
        }  # fmt: skip
        delivery = Delivery("slack", key or f"news:{state}", incident.id, payload, NIGHT, NIGHT)
        message = await compose(self.desk.store, delivery, "https://sre.example")
        await self.channel.send(message)

    def replica(self, owner):
        """The same channel in another process."""
        return SlackChannel("slack", ROOM, self.client, replace(self.desk, owner=owner))

    @property
    def root(self):
        (message,) = self.slack.messages()
        return message

    @property
    def thread(self):
        return self.slack.messages(thread=self.root["ts"])


@asynccontextmanager
async def bench(folder, token=BOT_TOKEN):
    database = SqliteDatabase(folder / "slack.sqlite3")
    store = SqlStore(database)
    await store.open()
    clock = ManualClock(NIGHT)
    async with workspace() as played:
        client = Slack(token, f"{played.url}/api/", clock)
        desk = Desk(
            store, Approvals(database), Hands(database), Threads(database), "r1", clock,
            "https://sre.example", buttons=True,
        )  # fmt: skip
        channel = SlackChannel("slack", ROOM, client, desk)
        try:
            yield Bench(played, channel, client, Story(store, database), desk, clock)
        finally:
            await client.close()
            await store.close()


def said(message):
    """All words of a message."""
    return str(message["blocks"])


async def test_incident_is_one_thread_whose_first_message_follows_it(tmp_path):
    async with bench(tmp_path) as b:
        one = await b.story.opens("Pool", "api-server")
        await b.tells(one, "triggered")
        await b.story.moves(one, "investigating", "a worker took it", NIGHT)
        await b.channel.follow(one.id)
        await b.story.moves(one, "escalated", "nobody knows", NIGHT)
        await b.tells(one, "escalated", "nobody knows")
        assert "A person is needed: Pool on api-server" in said(b.root)
        (reply,) = b.thread
        assert "nobody knows" in said(reply)
        assert reply["reply_broadcast"] is True
        assert b.root["edits"] == 2


async def test_nothing_is_sent_when_nothing_is_new(tmp_path):
    async with bench(tmp_path) as b:
        one = await b.story.opens("Pool", "api-server")
        await b.tells(one, "triggered")
        before = len(b.slack.calls)
        await b.channel.follow(one.id)
        await b.channel.follow(one.id)
        assert len(b.slack.calls) == before


async def test_steps_stream_into_one_message_of_the_thread(tmp_path):
    async with bench(tmp_path) as b:
        one = await b.story.opens("Pool", "api-server")
        await b.tells(one, "triggered")
        await b.story.steps(one, NIGHT)
        await b.channel.follow(one.id)
        await b.story.says(one, Kind.STEP, "It is the pool.", NIGHT)
        await b.channel.follow(one.id)
        (steps,) = b.thread
        assert steps["edits"] == 1
        for word in ("get_service_health", "DEGRADED", "It is the pool."):
            assert word in said(steps)


async def test_hundreds_of_steps_stay_one_message_within_the_limit(tmp_path):
    async with bench(tmp_path) as b:
        one = await b.story.opens("Pool", "api-server")
        await b.tells(one, "triggered")
        events = [
            TimelineEvent(one.id, NIGHT, Kind.STEP, f"{n} " + "<&>" * 200) for n in range(700)
        ]
        await b.story.store.note(events)
        await b.channel.follow(one.id)
        (steps,) = b.thread
        assert "699 " in said(steps)
        assert "earlier steps" in said(steps)


async def test_repair_is_told_with_cause_duration_proof_and_link(tmp_path):
    async with bench(tmp_path) as b:
        one = await repaired(b.story, tmp_path)
        await b.tells(await b.story.store.incident(one.id), "resolved")
        words = said(b.root)
        for part in ("pool of api-server was cut", "12.4 before, 0.2 after", "DB", "after 5"):
            assert part in words
        assert "Post-mortem" in words
        assert f"<https://sre.example/incidents/{one.id}|" in words


async def test_approval_has_buttons_that_name_exactly_what_was_seen(tmp_path):
    async with bench(tmp_path) as b:
        one = await approval(b.story)
        await b.tells(one, "awaiting_approval")
        asked = await b.desk.approvals.of(await b.story.store.incident(one.id))
        (actions,) = [block for block in b.root["blocks"] if block["type"] == "actions"]
        values = {item["action_id"]: item["value"] for item in actions["elements"]}
        assert values == {
            "approve": f"{one.id} {asked.digest}",
            "reject": f"{one.id} {asked.digest}",
            "hands_off": one.id,
        }


async def test_hostile_alert_formats_calls_and_links_nothing(tmp_path):
    async with bench(tmp_path) as b:
        # The workspace refuses what is no valid mrkdwn.
        one = await b.story.opens(HOSTILE, HOSTILE)
        await b.tells(one, "triggered", HOSTILE)
        await b.story.says(one, Kind.STEP, HOSTILE * 9, NIGHT)
        await b.tells(one, "escalated", HOSTILE)
        sections = [x for m in [b.root, *b.thread] for x in m["blocks"] if x["type"] != "header"]
        assert "<!channel>" not in str(sections)
        assert "<https://evil" not in str(sections)


async def test_same_message_twice_is_in_the_thread_once(tmp_path):
    async with bench(tmp_path) as b:
        one = await b.story.opens("Pool", "api-server")
        await b.tells(one, "triggered")
        for _ in range(2):
            await b.tells(one, "escalated", key="news:7")
        assert len(b.thread) == 1


async def test_crash_after_the_post_posts_no_second_thread(tmp_path):
    async with bench(tmp_path) as b:
        one = await b.story.opens("Pool", "api-server")
        await b.tells(one, "triggered")
        thread = await b.desk.threads.of("slack", one.id)
        # As if the daemon had died before it could write where the thread is.
        await b.desk.threads.keep(replace(thread, ts="", data={"key": thread.data["key"]}))
        await b.tells(one, "triggered")
        assert b.root["text"]
        assert (await b.desk.threads.of("slack", one.id)).ts == b.root["ts"]


async def test_crash_after_a_reply_sends_it_no_second_time(tmp_path):
    async with bench(tmp_path) as b:
        one = await b.story.opens("Pool", "api-server")
        await b.tells(one, "triggered")
        await b.tells(one, "escalated", key="news:7")
        thread = await b.desk.threads.of("slack", one.id)
        await b.desk.threads.keep(
            replace(thread, data={**thread.data, "told": [], "telling": "news:7"})
        )
        await b.tells(one, "escalated", key="news:7")
        assert len(b.thread) == 1


async def test_two_replicas_open_one_thread(tmp_path):
    async with bench(tmp_path) as b:
        one = await b.story.opens("Pool", "api-server")
        await b.tells(one, "triggered")
        thread = await b.desk.threads.of("slack", one.id)
        await b.desk.threads.keep(replace(thread, ts=""))
        other = b.replica("r2")
        with pytest.raises(NotifyError, match="another replica"):
            await other.follow(one.id)
        b.clock.advance(60)
        await other.follow(one.id)
        assert b.root["ts"] == thread.ts


async def test_deleted_message_holds_nothing_up(tmp_path):
    async with bench(tmp_path) as b:
        one = await b.story.opens("Pool", "api-server")
        await b.tells(one, "triggered")
        await b.story.moves(one, "escalated", "nobody knows", NIGHT)
        b.slack.faults = ["message_not_found"]
        await b.channel.follow(one.id)
        await b.tells(one, "escalated")
        assert len(b.thread) == 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("not_in_channel", "not_in_channel"),
        ("invalid_auth", "invalid_auth"),
        (500, "answered 500"),
        (503, "answered 503"),
        ("cut", "no answer from Slack"),
    ],
)
async def test_trouble_of_slack_is_tried_again(tmp_path, fault, words):
    async with bench(tmp_path) as b:
        one = await b.story.opens("Pool", "api-server")
        b.slack.faults = [fault]
        with pytest.raises(NotifyError, match=words) as failed:
            await b.tells(one, "triggered")
        assert failed.value.retryable
        await b.tells(one, "triggered")
        assert "Pool" in said(b.root)


async def test_pause_that_slack_asks_for_is_kept(tmp_path):
    async with bench(tmp_path) as b:
        one = await b.story.opens("Pool", "api-server")
        b.slack.faults = ["ratelimited"]
        with pytest.raises(NotifyError) as failed:
            await b.tells(one, "triggered")
        assert failed.value.retry_after == 7


async def test_message_that_is_too_long_for_slack_is_given_up(tmp_path):
    async with bench(tmp_path) as b:
        one = await b.story.opens("Pool", "api-server")
        b.slack.faults = ["msg_too_long"]
        with pytest.raises(NotifyRefused):
            await b.tells(one, "triggered")


async def test_wrong_token_says_what_to_check(tmp_path):
    async with bench(tmp_path, token="xoxb-wrong") as b:
        one = await b.story.opens("Pool", "api-server")
        with pytest.raises(NotifyError) as failed:
            await b.tells(one, "triggered")
        assert "SLACK_BOT_TOKEN" in failed.value.hint


async def test_calls_keep_to_one_a_second(tmp_path):
    async with bench(tmp_path) as b:
        for n in range(30):
            await b.client.post(ROOM, f"message {n}")
        assert b.clock.now() - NIGHT >= timedelta(seconds=24)


async def test_trouble_of_the_daemon_stands_in_the_room(tmp_path):
    async with bench(tmp_path) as b:
        payload = {"title": "no alert reaches <me>", "text": "look", "at": NIGHT.isoformat()}
        delivery = Delivery("slack", "daemon:1", "", payload, NIGHT, NIGHT)
        message = await compose(b.desk.store, delivery, "")
        for _ in range(2):
            await b.channel.send(message)
        assert "no alert reaches &lt;me&gt;" in said(b.root)
