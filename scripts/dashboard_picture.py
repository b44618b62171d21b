"""`python scripts/dashboard_picture.py FILE`: a picture of the dashboard from a real run, without Grafana.

Starts the shop of the demo with a scripted model, breaks it in a way that the policy repairs and in
one that needs a person, asks its Prometheus every query of the dashboard's JSON, and lets Chromium
take a picture of the drawn page.
"""

import asyncio
import json
import math
import re
import sys
import tempfile
import time
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from scripts.dashboard_page import Line, page
from tests.support import good_agent
from tests.support.browser import chromium
from tests.support.dashboard import panels
from tests.support.endpoint import endpoint
from tests.support.messages_api import serve
from tests.support.shop import Shop, running_shop

FILE = Path(__file__).parents[1] / "deploy/grafana/sre-daemon.json"
WINDOW = "20s"
STEPS = 120
ORIGIN = (
    "Drawn by scripts/dashboard_picture.py from deploy/grafana/sre-daemon.json, not by Grafana; the values are "
    "those of a real Prometheus that watched a real daemon repair the demo's shop, with a scripted model."
)


async def main(picture: Path, folder: Path) -> None:
    """Play, ask, draw."""
    begin = time.time()
    async with serve(good_agent.good) as api, endpoint() as people:
        env = {"ANTHROPIC_API_KEY": "scripted-key", "ANTHROPIC_BASE_URL": api.url}
        settings = {"notify": {"channels": [{"kind": "webhook", "url": people.url}]}}
        async with running_shop(folder / "shop", daemon_env=env, settings=settings) as shop:
            await play(shop)
            end = time.time()
            lines = {panel["id"]: await asked(shop, panel, begin, end) for panel in panels()}
    text = page(json.loads(FILE.read_text()), lines, begin, ORIGIN)
    async with chromium() as browser:
        sheet = await browser.new_page(viewport={"width": 1440, "height": 900})
        await sheet.set_content(text)
        await sheet.screenshot(path=picture, full_page=True)


async def play(shop: Shop) -> None:
    """A fault that is repaired, and one that is handed to a person."""
    await asyncio.sleep(15)
    await shop.stack.inject("pool-size")
    await shop.reaches(await shop.incident(), "closed")
    await shop.quiet()
    await shop.stack.inject("table-lock")
    await shop.reaches(await shop.incident(), "escalated")
    await asyncio.sleep(10)


async def asked(shop: Shop, panel: dict, begin: float, end: float) -> list[Line]:
    """The series of a panel over the whole run."""
    lines = []
    for target in panel["targets"]:
        query = target["expr"].replace("$__rate_interval", WINDOW)
        step = (end - begin) / STEPS
        answer = await shop.http.get(
            f"{shop.stack.prometheus}/api/v1/query_range",
            params={"query": query, "start": begin, "end": end, "step": step},
            timeout=httpx.Timeout(20),
        )
        body = answer.json()
        if body["status"] != "success":
            raise RuntimeError(f"{panel['title']}: {body}")
        for series in body["data"]["result"]:
            values = {float(at): float(value) for at, value in series["values"]}
            labels = series["metric"]
            legend = re.sub(
                r"\{\{(\w+)\}\}",
                lambda m, known=labels: known.get(m[1], ""),
                target["legendFormat"],
            )
            finite = {at: value for at, value in values.items() if math.isfinite(value)}
            lines.append(Line(legend, finite))
    return lines


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="picture-") as name:
        # The database's server runs as another user and must be able to walk in.
        Path(name).chmod(0o711)
        asyncio.run(main(Path(sys.argv[1]), Path(name)))
