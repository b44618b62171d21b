"""Each page in a real browser: what it shows, without an error, and a picture of it."""

import pytest
import pytest_asyncio

from sre_daemon.policy.file import load
from tests.support.browser import NARROW, keep, log_in, visitor
from tests.support.clock import ManualClock
from tests.support.front import API_TOKEN, front_door
from tests.support.story import CAUSE, NIGHT, night

pytestmark = pytest.mark.asyncio(loop_scope="session")

POLICY = """\
version: 1
mode: act
policies:
  - name: restore-db-pool
    matchers: ['alertname="ApiDbPoolExhausted"', 'service="api-server"']
    autonomy: auto
    allow:
      - effect: config.set
        path: config/api-server.env
        key: DB_POOL_SIZE
        value: {type: integer, min: 5, max: 100}
      - {effect: service.redeploy, service: api-server}
    guards: ['up{job="postgres"} == 1']
    verify: {promql: ['sum(rate(http_requests_total{status=~"5.."}[30s])) < 1'], hold: 20s, within: 3m}
    approvers: [sre-oncall]
  - name: restart-cache
    matchers: ['alertname="CacheStuck"']
    autonomy: ask
    allow: [{effect: service.restart, service: cache}]
"""


@pytest_asyncio.fixture(loop_scope="session")
async def console(tmp_path):
    """The front door over a night's incidents, and those by what they show."""
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    async with front_door(tmp_path, clock=ManualClock(NIGHT), policy=load(file)) as door:
        door.shown = await night(door.store, door.store._database, folder=tmp_path)
        yield door


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_is_shown_in_both_schemes(browser, console, scheme):
    shown = console.shown
    async with visitor(browser, color_scheme=scheme) as page:
        await log_in(page, console.url, API_TOKEN)
        assert await page.locator("tbody tr").count() == len(shown)
        await keep(page, f"incidents-{scheme}")
        for name, words in (
            ("repaired", "repaired by the daemon and proven"),
            ("approval", "Waiting for an approval."),
            ("escalated", "A person is needed."),
            ("investigating", "investigating: read_config_file"),
        ):
            await page.goto(f"{console.url}/incidents/{shown[name].id}")
            assert words in await page.inner_text("#head")
            await keep(page, f"{name}-{scheme}")
        for path, words in (
            ("policy", "restore-db-pool"),
            ("policy?labels=alertname%3DApiDbPoolExhausted%2Cservice%3Dapi-server", "decides"),
            ("runbooks", "pool-exhausted"),
            ("runbooks/pool-exhausted", "## Meaning"),
            (f"incidents/{shown['repaired'].id}/postmortem", "# Post-mortem"),
        ):
            await page.goto(f"{console.url}/{path}")
            assert words in await page.inner_text("main")
            await keep(page, f"{path.partition('?')[0].replace('/', '-')}-{scheme}")


async def test_narrow_screen_needs_no_sideways_scrolling(browser, console):
    async with visitor(browser, viewport=NARROW) as page:
        await log_in(page, console.url, API_TOKEN)
        for path in ("", f"incidents/{console.shown['repaired'].id}", "policy", "runbooks"):
            await page.goto(f"{console.url}/{path}")
            wide = await page.evaluate("document.documentElement.scrollWidth")
            assert wide <= NARROW["width"], path
            await keep(page, f"narrow-{path.partition('/')[0] or 'list'}")


async def test_claim_leads_to_the_tool_call_that_it_rests_on(browser, console):
    async with visitor(browser) as page:
        await log_in(page, console.url, API_TOKEN)
        await page.goto(f"{console.url}/incidents/{console.shown['repaired'].id}")
        assert CAUSE in await page.inner_text("#diagnosis")
        output = page.locator("pre", has_text="DB_POOL_TIMEOUT=5")
        assert not await output.is_visible()
        await page.click("text=found in c3")
        assert await output.is_visible()


async def test_charts_say_everything_without_colour(browser, console):
    async with visitor(browser, forced_colors="active") as page:
        await log_in(page, console.url, API_TOKEN)
        await page.goto(f"{console.url}/incidents/{console.shown['repaired'].id}")
        charts = page.locator("#proof svg")
        assert await charts.count() == 2
        told = await charts.first.get_attribute("aria-label")
        assert "12.4 before" in told or "12." in told
        assert "after" in told
        words = await charts.first.text_content()
        for part in ("< 1", "DB_POOL_SIZE", "resolved", "UTC"):
            assert part in words
        await keep(page, "repaired-forced-colours")


async def test_filters_are_in_the_address(browser, console):
    async with visitor(browser) as page:
        await log_in(page, console.url, API_TOKEN)
        await page.select_option("#state", "escalated")
        await page.click("text=Filter")
        assert "state=escalated" in page.url
        assert await page.locator("tbody tr").count() == 1
        await page.goto(f"{console.url}/?severity=critical&label=service%3Dapi-server")
        assert await page.locator("tbody tr").count() == 3
        await page.goto(f"{console.url}/?q=nothing+like+it")
        assert "No incident matches" in await page.inner_text("main")


async def test_without_the_script_everything_is_there(browser, console):
    async with visitor(browser, java_script_enabled=False) as page:
        await log_in(page, console.url, API_TOKEN)
        await page.click("text=ApiHighErrorRate on api-server")
        assert "DB_POOL_SIZE=20" in await page.inner_text("#proposal")
        await page.click("#e19 summary, details summary >> nth=0")
        await page.goto(f"{console.url}/")
        await page.click("summary:has-text('Pause the daemon')")
        await page.fill("#pause-reason", "release")
        await page.click("button:has-text('Pause')")
        assert console.control.paused == "api admin: release"
        assert "Paused." in await page.inner_text("#paused")
        await keep(page, "incidents-paused")


async def test_keyboard_alone_is_enough(browser, console):
    async with visitor(browser) as page:
        await page.goto(f"{console.url}/")
        assert await page.evaluate("document.activeElement.id") == "token"
        await page.keyboard.type(API_TOKEN)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{console.url}/")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.textContent") == "Skip to content"
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "main"
        await page.keyboard.press("/")
        await page.keyboard.type("PaymentErrors")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**q=PaymentErrors**")
        await page.keyboard.press("j")
        assert "PaymentErrors" in await page.evaluate("document.activeElement.textContent")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/incidents/**")
        # Every control can be reached, and the focus is seen.
        seen = set()
        for _ in range(60):
            await page.keyboard.press("Tab")
            found = await page.evaluate(
                "(() => { const e = document.activeElement, s = getComputedStyle(e);"
                " return [e.tagName, s.outlineStyle, e.textContent.trim()] })()"
            )
            if found[0] != "BODY":
                assert found[1] != "none", found
            seen.add(found[0])
        assert {"A", "BUTTON", "SUMMARY"} <= seen


async def test_names_and_roles_are_there_for_a_screen_reader(browser, console):
    async with visitor(browser) as page:
        await log_in(page, console.url, API_TOKEN)
        for path in ("", f"incidents/{console.shown['approval'].id}", "policy", "runbooks"):
            await page.goto(f"{console.url}/{path}")
            nameless = await page.evaluate(
                "[...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a')]"
                ".filter((e) => !(e.labels?.length || e.textContent.trim() || e.ariaLabel))"
                ".map((e) => e.outerHTML)"
            )
            assert nameless == []
            assert await page.locator("h1").count() == 1
            assert await page.locator("main, header, nav").count() >= 3
            ids = await page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
            assert len(ids) == len(set(ids))
