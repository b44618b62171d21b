"""Real Chromium, Debian's, driven by playwright; and the pages it is shown, kept as pictures."""

from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import async_playwright

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
CHROMIUM = "/usr/bin/chromium"
# It must look for nothing outside of this machine.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE, NARROW = {"width": 1200, "height": 780}, {"width": 390, "height": 780}


@asynccontextmanager
async def chromium():
    """One browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visitor(browser, **options):
    """A page of a person of her own; what its console and network complain about fails the test."""
    context = await browser.new_context(
        **{"viewport": WIDE, "locale": "en-GB", "timezone_id": "UTC"} | options
    )
    context.set_default_timeout(10_000)
    page = await context.new_page()
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on(
        "console",
        lambda said: page.complaints.append(said.text) if said.type == "error" else None,
    )
    try:
        yield page
        assert page.complaints == []
    finally:
        await context.close()


async def keep(page, name):
    """A picture of the whole page, for whoever wants to look; and its first screen, for docs/."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
    await page.screenshot(path=SCREENSHOTS / f"{name}-first.png")


async def log_in(page, url, token):
    """Through the form."""
    await page.goto(f"{url}/login")
    await page.fill("#token", token)
    await page.press("#token", "Enter")
    await page.wait_for_url(f"{url}/")
