"""The console while things happen: it keeps up, keeps what a person does, and comes back."""

import asyncio
from datetime import timedelta

import pytest

from sre_daemon.clock import SystemClock
from sre_daemon.domain.event import Kind
from sre_daemon.domain.person import Person, Role
from sre_daemon.web import stream as stream_module
from tests.support.browser import keep, log_in, visitor
from tests.support.front import API_TOKEN, front_door
from tests.support.story import STEPS, Story, approval

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = (
    "<script>window.owned = 1</script><img src=x onerror='window.owned = 1'>"
    "\u202egnp.exe\u200b\x1b[31m \ud800 <a href='javascript:window.owned=1'>x</a>"
)


async def at_work(door):
    """An incident that is being investigated now."""
    story = Story(door.store, door.store._database, SystemClock().now())
    one = await story.opens("ApiDown", "api-server", ago=5)
    await story.moves(one, "investigating", "a worker took it", story.now)
    return story, one


async def step(story, one, number):
    call, tool, arguments, output, seconds = STEPS[number]
    await story.says(
        one, Kind.STEP, f"{tool}(…)", story.now + timedelta(seconds=number), call=call, tool=tool,
        arguments=arguments, seconds=seconds, is_error=False, output=output, size=len(output),
    )  # fmt: skip


async def test_steps_appear_as_they_happen_and_what_is_open_stays_open(browser, tmp_path):
    async with front_door(tmp_path) as door, visitor(browser) as page:
        story, one = await at_work(door)
        await step(story, one, 0)
        await log_in(page, door.url, API_TOKEN)
        await page.goto(f"{door.url}/incidents/{one.id}")
        await page.wait_for_selector("#live-state:has-text('live'):not(.off)")
        await page.click("summary:has-text('get_service_health')")
        await step(story, one, 1)
        await page.wait_for_selector("summary:has-text('get_logs')")
        assert "investigating: get_logs" in await page.inner_text("#head")
        assert await page.locator("pre", has_text="DEGRADED").is_visible()
        await story.moves(one, "escalated", "nothing was found", story.now)
        await page.wait_for_selector("text=A person is needed.")
        assert "nothing was found" in await page.inner_text("#head")


async def test_list_shows_what_is_new_without_a_reload(browser, tmp_path):
    async with front_door(tmp_path) as door, visitor(browser) as page:
        story, one = await at_work(door)
        await log_in(page, door.url, API_TOKEN)
        await page.wait_for_selector("#live-state:has-text('live'):not(.off)")
        await page.evaluate("window.kept = 1")
        await step(story, one, 2)
        await page.wait_for_selector(".doing:has-text('read_config_file')")
        await story.opens("ApiHighLatency", "checkout")
        await page.wait_for_selector("a.row:has-text('ApiHighLatency')")
        assert await page.evaluate("window.kept") == 1


async def test_what_somebody_is_typing_is_not_taken_away(browser, tmp_path):
    anna = {"approver-token-01": Person("anna", Role.APPROVER)}
    async with front_door(tmp_path, people=anna) as door, visitor(browser) as page:
        story, one = await at_work(door)
        await log_in(page, door.url, "approver-token-01")
        await page.goto(f"{door.url}/incidents/{one.id}")
        await page.click("summary:has-text('Take it over')")
        await page.fill("#hands-reason", "I know wh")
        await story.moves(one, "diagnosed", "found", story.now)
        await page.wait_for_selector(".state:has-text('diagnosed')")
        await page.keyboard.type("at it is")
        assert await page.input_value("#hands-reason") == "I know what it is"
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#head >> text=taken over by anna: I know what it is")
        await keep(page, "taken-over")


async def test_two_people_who_approve_at_once_are_one_approval(browser, tmp_path):
    oncall = ("sre-oncall",)
    people = {
        "approver-token-01": Person("anna", Role.APPROVER, oncall),
        "approver-token-02": Person("bob", Role.APPROVER, oncall),
    }
    async with (
        front_door(tmp_path, people=people) as door,
        visitor(browser) as anna,
        visitor(browser) as bob,
    ):
        story = Story(door.store, door.store._database, SystemClock().now())
        one = await approval(story)
        for page, token in zip((anna, bob), people, strict=True):
            await log_in(page, door.url, token)
            await page.goto(f"{door.url}/incidents/{one.id}")
            assert "DB_POOL_SIZE=20" in await page.inner_text("#proposal")
        async with (
            anna.expect_navigation() as first,
            bob.expect_navigation() as second,
        ):
            await asyncio.gather(
                *(
                    page.click("text=Approve exactly this", no_wait_after=True)
                    for page in (anna, bob)
                )
            )
        answers = {
            (await (await first.value).request.response()).status,
            (await second.value).status,
        }
        assert answers == {200, 409}
        late = anna if await anna.locator("h1", has_text="409").count() else bob
        assert "it was answered already: granted by" in await late.inner_text("main")
        await keep(late, "approved-by-somebody-else")
        late.complaints = [text for text in late.complaints if "409" not in text]
        assert (await door.store.incident(one.id)).state == "remediating"
        events = await door.store.timeline(one.id)
        assert [e.data.get("to") for e in events].count("remediating") == 1


async def test_who_is_no_approver_is_refused_with_the_reason(browser, tmp_path):
    people = {"approver-token-01": Person("carl", Role.APPROVER, ("dba",))}
    async with front_door(tmp_path, people=people) as door, visitor(browser) as page:
        one = await approval(Story(door.store, door.store._database, SystemClock().now()))
        await log_in(page, door.url, "approver-token-01")
        await page.goto(f"{door.url}/incidents/{one.id}")
        await page.click("text=Approve exactly this")
        assert "the policy names other approvers" in await page.inner_text("main")
        page.complaints = [text for text in page.complaints if "403" not in text]
        assert (await door.store.incident(one.id)).state == "awaiting_approval"


async def test_rejection_needs_a_reason_and_gives_it_to_a_person(browser, tmp_path):
    people = {"approver-token-01": Person("anna", Role.APPROVER, ("sre-oncall",))}
    async with front_door(tmp_path, people=people) as door, visitor(browser) as page:
        one = await approval(Story(door.store, door.store._database, SystemClock().now()))
        await log_in(page, door.url, "approver-token-01")
        await page.goto(f"{door.url}/incidents/{one.id}")
        await page.click("button:has-text('Reject')")
        assert "the reason is empty" in await page.inner_text("main")
        await page.go_back()
        await page.fill("#answer-reason", "the release is still running")
        await page.click("button:has-text('Reject')")
        await page.wait_for_selector("text=A person is needed.")
        assert "the release is still running" in await page.inner_text("#timeline")
        assert "anna" in await page.inner_text("#audit")
        page.complaints = [text for text in page.complaints if "400" not in text]


async def test_page_comes_back_by_itself_after_a_restart(browser, tmp_path):
    async with visitor(browser) as page:
        async with front_door(tmp_path) as door:
            story, one = await at_work(door)
            port = int(door.url.rpartition(":")[2])
            await log_in(page, door.url, API_TOKEN)
            await page.goto(f"{door.url}/incidents/{one.id}")
            await page.wait_for_selector("#live-state:has-text('live'):not(.off)")
        await page.wait_for_selector("#live-state.off")
        async with front_door(tmp_path, port=port) as door:
            story = Story(door.store, door.store._database, story.now)
            await step(story, one, 1)
            await page.wait_for_selector("summary:has-text('get_logs')", timeout=15_000)
            await page.wait_for_selector("#live-state:has-text('live'):not(.off)")
        # The server was away: that is all that the browser complained about.
        page.complaints = [
            text for text in page.complaints if "ERR_" not in text and "Failed to load" not in text
        ]


async def test_end_of_the_session_leads_to_the_login(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(stream_module, "BEAT_SECONDS", 0.1)
    async with front_door(tmp_path) as door, visitor(browser) as page:
        await at_work(door)
        await log_in(page, door.url, API_TOKEN)
        await page.wait_for_selector("#live-state:has-text('live'):not(.off)")
        door.front.people.clear()
        door.front.people["another-token-0001"] = Person("eve", Role.VIEWER)
        await page.wait_for_url(f"{door.url}/login", timeout=15_000)
        page.complaints = [text for text in page.complaints if "401" not in text]


async def test_hostile_text_is_shown_and_does_nothing_also_live(browser, tmp_path):
    async with front_door(tmp_path) as door, visitor(browser) as page:
        story = Story(door.store, door.store._database, SystemClock().now())
        one = await story.opens(HOSTILE, HOSTILE)
        await log_in(page, door.url, API_TOKEN)
        await keep(page, "hostile-list")
        await page.goto(f"{door.url}/incidents/{one.id}")
        await page.wait_for_selector("#live-state:has-text('live'):not(.off)")
        await story.says(
            one, Kind.STEP, HOSTILE, story.now, call="c1", tool=HOSTILE, arguments={HOSTILE: HOSTILE},
            seconds=0.1, is_error=True, output=HOSTILE, size=9,
        )  # fmt: skip
        await story.says(one, Kind.NOTE, f"live {HOSTILE}", story.now)
        await page.wait_for_selector("li p:has-text('live <script>')")
        text = await page.inner_text("#timeline")
        assert "\\u202e" in text
        assert "\u202e" not in text
        assert await page.evaluate("window.owned") is None
        assert await page.locator("main img, main script, #timeline a").count() == 0
        await keep(page, "hostile-incident")


async def test_many_events_do_not_freeze_the_page(browser, tmp_path):
    async with front_door(tmp_path) as door, visitor(browser) as page:
        story, one = await at_work(door)
        await log_in(page, door.url, API_TOKEN)
        await page.goto(f"{door.url}/incidents/{one.id}")
        await page.wait_for_selector("#live-state:has-text('live'):not(.off)")
        for number in range(150):
            await story.says(one, Kind.STEP, f"thought {number}", story.now)
        await page.wait_for_selector("li p:text-is('thought 149')")
        assert await page.locator("#timeline li").count() >= 150
        await asyncio.wait_for(page.evaluate("1 + 1"), 2)
