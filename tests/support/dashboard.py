"""The dashboard's file as Grafana would use it: each query asked of a real Prometheus."""

import json
import math
from pathlib import Path

FILE = Path(__file__).parents[2] / "deploy/grafana/sre-daemon.json"


def panels():
    """All that ask for something."""
    return [panel for panel in json.loads(FILE.read_text())["panels"] if panel["type"] != "row"]


async def shown(http, prometheus, window="1m"):
    """The values of each panel by its title; a query that Prometheus does not answer fails."""
    found = {}
    for panel in panels():
        values = found.setdefault(panel["title"], [])
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", window)
            answer = await http.get(f"{prometheus}/api/v1/query", params={"query": query})
            body = answer.json()
            assert body["status"] == "success", (query, body)
            assert not body.get("warnings"), (query, body)
            assert body["data"]["resultType"] == "vector", query
            numbers = [float(item["value"][1]) for item in body["data"]["result"]]
            values += [number for number in numbers if not math.isnan(number)]
    return found
