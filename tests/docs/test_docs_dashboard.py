"""The dashboard asks only for what is exported, in queries that Prometheus understands."""

import html
import json
import re
import shutil
import subprocess

from ruamel.yaml import YAML

from scripts.dashboard_page import Line, page
from sre_daemon.metrics import Metrics
from tests.support.dashboard import FILE, panels


def queries():
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def exported():
    """Every name under which a sample can be asked for."""
    names = set()
    for family in Metrics().registry.collect():
        kinds = {
            "counter": ["_total"],
            "histogram": ["_bucket", "_sum", "_count"],
            "info": ["_info"],
        }
        names |= {family.name + suffix for suffix in kinds.get(family.type, [""])}
    return names


def test_every_query_asks_for_metrics_that_exist():
    asked = {
        name for query in queries() for name in re.findall(r"\b(?:sre_daemon|process)_\w+", query)
    }
    assert asked
    assert asked <= exported()


def test_every_query_is_understood_by_prometheus(tmp_path):
    rules = [
        {"record": f"query:{number}", "expr": query.replace("$__rate_interval", "5m")}
        for number, query in enumerate(queries())
    ]
    file = tmp_path / "queries.yml"
    with file.open("w") as out:
        YAML().dump({"groups": [{"name": "dashboard", "rules": rules}]}, out)
    path = shutil.which("promtool")
    assert path, "promtool is not installed: run `make setup`"
    done = subprocess.run(
        [path, "check", "rules", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_panels_have_names_of_their_own_and_a_place():
    names = [panel["title"] for panel in panels()]
    numbers = [panel["id"] for panel in panels()]
    assert len(set(names)) == len(names)
    assert len(set(numbers)) == len(numbers)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels())


def test_every_metric_is_asked_for_somewhere():
    """A number that nobody looks at is a number that nobody keeps right."""
    page = (FILE.parents[2] / "docs/metrics.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert {"`sre_daemon_build`", "`process_resident_memory_bytes`"} <= {
        row[0].strip("| ") for row in rows
    }
    assert [row[0] for row in rows if not row[-1].strip(" |")] == []


def test_the_drawn_page_has_every_panel_and_what_it_shows():
    """The picture in the documentation is of the file that is shipped, and says who drew it."""
    rising = Line("<b>spent", {10.0: 1.0, 20.0: 3.5})
    lines = {panel["id"]: [rising] for panel in panels()}
    silent = panels()[-1]
    lines[silent["id"]] = []
    drawn = page(json.loads(FILE.read_text()), lines, 0.0, "drawn & not by Grafana")
    titles = re.findall("<h3>(.*?)</h3>", drawn)
    assert titles == [html.escape(panel["title"]) for panel in panels()]
    assert drawn.count("No data") == 1
    assert "drawn &amp; not by Grafana" in drawn
    assert "&lt;b&gt;spent: $3.5" in drawn
    assert "<b>" not in drawn
