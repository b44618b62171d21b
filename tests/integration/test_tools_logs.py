"""Logs: filters, floods, pages, and Loki."""

import asyncio
import json
import sys
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from tests.support.tool_server import connected, supervisord, text, tree, wait_for

FLOOD = """
import time
for n in range(3000):
    print(f"2026-01-01T10:00:00 ERROR request {n}: connection pool exhausted (size 1), password=hunter2", flush=False)
print("2026-01-01T10:00:01 WARNING slow")
print("2026-01-01T10:00:02 INFO \\x1b[31mstarted\\x1b[0m a.*b \\u202e", flush=True)
time.sleep(600)
"""
QUIET = """
import time
for n in range(150):
    print(f"2026-01-01T10:{n // 60:02}:{n % 60:02}Z {'ERROR' if n % 3 == 0 else 'INFO'} line {n}")
print("done", flush=True)
time.sleep(600)
"""


@asynccontextmanager
async def logging(tmp_path, program, sign, **settings):
    """A function that asks for the logs of a running program, and gives the structure."""
    with supervisord({"api-server": program}) as (socket, folder):
        log = folder / "api-server.log"
        wait_for(lambda: sign in log.read_text(), "the log is written")
        runtime = {"kind": "supervisor", "socket": str(socket)}
        config = tree(tmp_path, runtime=runtime, **settings)
        async with connected(config) as client:

            async def ask(tool="get_logs", **more):
                name = "service" if tool == "get_logs" else "container"
                result = await client.call_tool(tool, {name: "api-server"} | more)
                assert not result.is_error, text(result)
                return result.structured_content

            yield ask, client


async def test_lines_are_filtered_counted_and_masked(tmp_path):
    async with logging(tmp_path, FLOOD, "started") as (logs, client):
        errors = await logs(level="error")
        (template,) = errors["templates"]
        assert template == {
            "template": "<*> ERROR request <*>: connection pool exhausted (size <*>), password=***",
            "count": errors["matched"],
        }
        assert errors["matched"] == errors["counts"]["error"] > 2000
        assert all("pool exhausted" in line for line in errors["lines"])
        assert errors["truncated"] is True
        assert "hunter2" not in json.dumps(errors)
        assert (await logs(level="warn"))["lines"] == ["2026-01-01T10:00:01 WARNING slow"]
        info = await logs(level="info")
        assert info["lines"] == ["2026-01-01T10:00:02 INFO started a.*b <U+202E>"]
        assert (await logs(pattern="A.*B"))["lines"] == info["lines"]
        assert (await logs(pattern="request.*pool"))["lines"] == []
        for name in ("grafana", "../api-server", ""):
            refused = await client.call_tool("get_container_logs", {"container": name})
            assert refused.is_error
            assert "Known services: api-server." in text(refused)


async def test_twenty_lines_by_default_and_a_hundred_at_most(tmp_path):
    async with logging(tmp_path, QUIET, "done") as (logs, _):
        assert len((await logs())["lines"]) == 20
        most = await logs(lines=5000)
        assert len(most["lines"]) == 100
        assert most["lines"][-1] == "done"


async def test_a_service_without_a_log_of_its_own_is_read_where_its_lines_are(tmp_path):
    spoken_for = {"payment-svc": "api-server", "lost-svc": "nobody"}
    async with logging(tmp_path, QUIET, "done", logged_by=spoken_for) as (logs, client):
        own = await logs()
        found = (await client.call_tool("get_logs", {"service": "payment-svc"})).structured_content
        assert found["lines"] == own["lines"]
        assert (found["service"], own["note"]) == ("payment-svc", "")
        assert found["note"] == "payment-svc has no log of its own; this is that of api-server."
        for name in ("lost-svc", "other-svc"):
            assert (await client.call_tool("get_logs", {"service": name})).is_error


async def test_fifty_raw_lines_by_default_and_two_hundred_at_most(tmp_path):
    async with logging(tmp_path, QUIET.replace("150", "250"), "done") as (logs, _):
        assert len((await logs("get_container_logs"))["lines"]) == 50
        most = await logs("get_container_logs", lines=999)
        assert len(most["lines"]) == 200
        assert most["lines"][-1] == "done"
        assert most["truncated"] is True


async def test_older_lines_come_page_by_page_without_a_gap(tmp_path):
    async with logging(tmp_path, QUIET, "done") as (logs, _):
        for tool in ("get_logs", "get_container_logs"):
            seen, offset = [], 0
            while offset is not None:
                page = await logs(tool, lines=40, offset=offset)
                seen = page["lines"] + seen
                offset = page["next_offset"]
            assert [line.split()[-1] for line in seen] == [*map(str, range(150)), "done"]
        assert (await logs(offset=1_000_000))["lines"] == []


async def test_a_window_of_time_is_cut_out(tmp_path):
    async with logging(tmp_path, QUIET, "done") as (logs, client):
        window = {"since": "2026-01-01T10:00:30Z", "until": "2026-01-01T10:00:35Z"}
        found = await logs(level="error", **window)
        assert [line.split()[-1] for line in found["lines"]] == ["30", "33"]
        assert found["counts"] == {"error": 2, "warn": 0, "info": 4, "other": 0}
        assert (await logs(since="now-1m"))["matched"] == 0
        swapped = {"since": window["until"], "until": window["since"]}
        for wrong in (swapped, {"since": "yesterday"}, {"since": 1e300}, {"until": "now-9e9y"}):
            refused = await client.call_tool("get_logs", {"service": "api-server"} | wrong)
            assert refused.is_error, wrong


LARGE = """
import sys
line = "2026-01-01T10:00:00Z ERROR cannot reach payment {n}: connection refused by 10.0.0.{n} after 3 tries, giving up\\n"
block = "".join(line.format(n=n % 250) for n in range(10_000))
written = 0
while written < 100_000_000:
    sys.stdout.write(block)
    written += len(block)
print("the end", flush=True)
"""


async def test_a_flood_of_a_hundred_megabytes_costs_two_kilobytes(tmp_path):
    with supervisord({"api-server": "import time; time.sleep(600)"}) as (socket, folder):
        log = folder / "api-server.log"
        with log.open("ab") as output:
            child = await asyncio.create_subprocess_exec(sys.executable, "-c", LARGE, stdout=output)
        assert await asyncio.wait_for(child.wait(), 60) == 0
        assert log.stat().st_size > 100_000_000
        config = tree(tmp_path, runtime={"kind": "supervisor", "socket": str(socket)})
        async with connected(config) as client:
            for more in ({}, {"level": "error"}, {"lines": 100}, {"since": "2026-01-01T09:00:00Z"}):
                result = await client.call_tool("get_logs", {"service": "api-server"} | more)
                assert len(json.dumps(result.structured_content)) <= 2000
                assert len(text(result)) <= 2000
                content = result.structured_content
                assert content["templates"][0]["count"] > 1000
                assert content["matched"] > 1000
                assert content["next_offset"]
            older = await client.call_tool(
                "get_logs",
                {"service": "api-server", "lines": 100, "offset": content["next_offset"]},
            )
            assert len(older.structured_content["lines"]) > 30


class FakeLoki:
    """A local server that speaks Loki's query_range and some of its faults."""

    def __init__(self):
        self.queries = []
        self.fault = None
        self.values = [["1767268801000000000", "ERROR two"], ["1767268800000000000", "INFO one"]]

    async def answer(self, request):
        self.queries.append((dict(request.query), dict(request.headers)))
        if self.fault == "text":
            return web.Response(status=400, text="parse error at line 1, col 5: syntax error")
        if self.fault == "json":
            return web.json_response(
                {"status": "error", "error": "too many outstanding requests"}, status=429
            )
        if self.fault == "shape":
            return web.json_response(
                {"status": "success", "data": {"resultType": "matrix", "result": []}}
            )
        streams = [{"stream": {"service_name": "api-server"}, "values": self.values}]
        return web.json_response(
            {"status": "success", "data": {"resultType": "streams", "result": streams}}
        )


@pytest.fixture
async def loki():
    fake = FakeLoki()
    app = web.Application()
    app.router.add_get("/loki/api/v1/query_range", fake.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield fake
    await runner.cleanup()


async def test_logs_come_from_loki_where_it_is_configured(tmp_path, loki):
    token = tmp_path / "loki.token"
    token.write_text("s3cret-Token-1\n")
    settings = {"url": loki.url, "tenant": "shop|pay", "token_file": str(token)}
    async with connected(tree(tmp_path / "t", loki=settings)) as client:
        pattern = 'a"b\\c.*{x} \N{GRINNING FACE}'
        result = await client.call_tool(
            "get_logs",
            {"service": "api-server", "pattern": pattern, "since": "now-5m"},
        )
        assert result.structured_content["source"] == "loki"
        loki.values = [["1767268801000000000", "ERROR password=hunter2"], *loki.values]
        result = await client.call_tool("get_logs", {"service": "api-server"})
        assert [line.split()[0] for line in result.structured_content["lines"]] == [
            "INFO",
            "ERROR",
            "ERROR",
        ]
        assert "hunter2" not in text(result)
        first, headers = loki.queries[0]
        assert first["query"] == (
            '{service_name="api-server"} |~ "(?i)a\\"b\\\\\\\\c\\\\.\\\\*\\\\{x\\\\} \N{GRINNING FACE}"'
        )
        assert int(first["end"]) - int(first["start"]) == 300_000_000_000
        assert first["direction"] == "backward"
        assert headers["X-Scope-OrgID"] == "shop|pay"
        assert headers["Authorization"] == "Bearer s3cret-Token-1"
        hour = int(loki.queries[1][0]["end"]) - int(loki.queries[1][0]["start"])
        assert hour == 3_600_000_000_000
        refused = await client.call_tool("get_logs", {"service": 'x"} or {a=~".+'})
        assert refused.is_error
        assert len(loki.queries) == 2


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("text", "parse error at line 1, col 5"),
        ("json", "too many outstanding requests"),
        ("shape", "no log lines"),
    ],
)
async def test_a_loki_that_fails_is_named_and_the_runtime_asked(tmp_path, loki, fault, said):
    loki.fault = fault
    with supervisord({"api-server": QUIET}) as (socket, folder):
        log = folder / "api-server.log"
        wait_for(lambda: "done" in log.read_text(), "the log is written")
        runtime = {"kind": "supervisor", "socket": str(socket)}
        async with connected(tree(tmp_path, runtime=runtime, loki={"url": loki.url})) as client:
            result = await client.call_tool("get_logs", {"service": "api-server"})
            assert result.structured_content["source"] == "runtime"
            assert said in result.structured_content["note"]
            assert len(result.structured_content["lines"]) == 20
