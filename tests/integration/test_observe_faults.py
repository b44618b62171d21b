"""What the daemon reads of Prometheus and Alertmanager, when they answer well, badly or not at all."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import web

from sre_daemon.clock import SystemClock
from sre_daemon.errors import TargetUnavailable
from sre_daemon.observe import AlertState, Observer
from tests.support.factories import alert


class Sky:
    """A server that answers each path with what a test sets: JSON, text, a status, or silence."""

    def __init__(self):
        self.answers = {}
        self.asked = []

    async def answer(self, request):
        self.asked.append(request.path)
        found = self.answers.get(request.path)
        if found is None:
            return web.Response(status=404)
        if found == "silence":
            await asyncio.sleep(30)
        if isinstance(found, int):
            return web.Response(status=found, text="<html>an error page</html>")
        if isinstance(found, str):
            return web.Response(text=found)
        return web.json_response(found)


@asynccontextmanager
async def server():
    sky = Sky()
    app = web.Application()
    app.router.add_get("/{path:.*}", sky.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sky.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield sky
    finally:
        await runner.cleanup()


@pytest.fixture
async def sky():
    async with server() as found:
        yield found


@pytest.fixture
async def observer(sky):
    async with Observer(sky.url, {"default": [sky.url]}, 0.5, SystemClock()) as found:
        yield found


def result(kind, values):
    return {"status": "success", "data": {"resultType": kind, "result": values}}


def vector(*values):
    return result("vector", [{"metric": {}, "value": [1, value]} for value in values])


@pytest.mark.parametrize(
    ("query", "answer", "holds", "value"),
    [
        ("up == 1", vector("1"), True, 1.0),
        ("up == 1", vector(), False, None),
        ("up", vector("0"), True, 0.0),
        ("up == bool 1", vector("0"), False, 0.0),
        ("up == bool 1", vector("1"), True, 1.0),
        ("up == bool 1", vector("1", "0"), False, 1.0),
        ("x / y", vector("NaN"), False, None),
        ("x / y", vector("1", "NaN"), False, None),
        ("x / 0", vector("+Inf"), True, float("inf")),
        ("1", result("scalar", [1, "7"]), True, 7.0),
    ],
)
async def test_a_condition_holds_with_data_only(sky, observer, query, answer, holds, value):
    sky.answers["/api/v1/query"] = answer
    sample = await observer.sample(query)
    assert (sample.holds, sample.value) == (holds, value)


BAD = [500, 404, "<html>", "{", "[]", "null", {"status": "error"}, "silence", {"data": {}}]


@pytest.mark.parametrize("answer", BAD, ids=str)
async def test_no_usable_answer_is_no_answer(sky, observer, answer):
    for path in ("/api/v1/query", "/api/v1/alerts", "/api/v1/rules", "/api/v2/alerts"):
        sky.answers[path] = answer
    calls = (
        observer.sample("up"),
        observer.alert_states([alert()]),
        observer.rules(),
        observer.suppressed(alert()) if answer != "[]" else observer.sample("up"),
        observer.level() if answer != "[]" else observer.sample("up"),
    )
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(item) for item in done] == [TargetUnavailable] * 5


async def test_nobody_listening_is_no_answer():
    async with Observer(
        "http://127.0.0.1:1", {"default": ["http://127.0.0.1:1"]}, 1, SystemClock()
    ) as observer:
        with pytest.raises(TargetUnavailable):
            await observer.sample("up")
        assert all(state != "ok" for state in (await observer.ready()).values())


def rules(age=timedelta(), health="ok", name="ApiDbPoolExhausted"):
    at = (SystemClock().now() - age).isoformat()
    rule = {"name": name, "query": "up == 0", "health": health, "lastEvaluation": at}
    return {"status": "success", "data": {"groups": [{"rules": [rule]}]}}


def active(*items):
    return {"status": "success", "data": {"alerts": [*items]}}


@pytest.mark.parametrize(
    ("alerts", "known", "state"),
    [
        (active({"labels": dict(alert().labels), "state": "firing"}), {}, AlertState.FIRING),
        (active({"labels": dict(alert().labels), "state": "pending"}), {}, AlertState.PENDING),
        (active(), {}, AlertState.INACTIVE),
        (
            active({"labels": {"alertname": "Other"}, "state": "firing"}),
            {},
            AlertState.INACTIVE,
        ),
        (active(), {"age": timedelta(minutes=5)}, AlertState.UNKNOWN),
        (active(), {"health": "err"}, AlertState.UNKNOWN),
        (active(), {"name": "Renamed"}, AlertState.UNKNOWN),
    ],
)
async def test_an_alert_is_inactive_only_under_a_rule_that_works(
    sky, observer, alerts, known, state
):
    sky.answers |= {"/api/v1/alerts": alerts, "/api/v1/rules": rules(**known)}
    found = await observer.alert_states([alert()])
    assert found == {alert().identity: state}
    assert bool(await observer.firing([alert()])) is (state is AlertState.FIRING)


def level(item, state="active", receivers=("sre-daemon",)):
    return {
        "labels": dict(item.labels),
        "annotations": {},
        "startsAt": "2026-03-14T02:00:00.000Z",
        "status": {"state": state, "silencedBy": [], "inhibitedBy": []},
        "receivers": [{"name": name} for name in receivers],
        "fingerprint": "x",
    }


async def test_peers_are_asked_all_and_one_answer_is_enough(sky):
    async with server() as other:
        sky.answers["/api/v2/alerts"] = [level(alert()), level(alert(pod="b"))]
        other.answers["/api/v2/alerts"] = [level(alert(), "suppressed"), level(alert(pod="c"))]
        async with Observer(
            sky.url, {"default": [sky.url, other.url]}, 1, SystemClock()
        ) as observer:
            found = await observer.level()
            assert found.complete
            assert len(found.alerts) == 3
            assert found.alerts[alert().identity].suppressed
            assert found.alerts[alert().identity].receivers == ("sre-daemon",)
            assert await observer.suppressed(alert())
            assert not await observer.suppressed(alert(pod="b"))
            other.answers["/api/v2/alerts"] = 500
            found = await observer.level()
            assert not found.complete
            assert len(found.alerts) == 2
            assert not await observer.suppressed(alert())
            sky.answers["/api/v2/alerts"] = 500
            with pytest.raises(TargetUnavailable):
                await observer.level()
            with pytest.raises(TargetUnavailable):
                await observer.suppressed(alert())


async def test_without_an_alertmanager_nothing_is_silenced(sky):
    async with Observer(sky.url, {}, 1, SystemClock()) as observer:
        assert not await observer.suppressed(alert())
        with pytest.raises(TargetUnavailable, match="no Alertmanager"):
            await observer.level()


async def test_a_cluster_is_asked_about_its_own_tenant_only(sky):
    async with server() as other:
        sky.answers["/api/v2/alerts"] = [level(alert())]
        other.answers["/api/v2/alerts"] = [level(alert(), "suppressed")]
        clusters = {"default": [sky.url], "other": [other.url]}
        async with Observer(sky.url, clusters, 1, SystemClock()) as observer:
            found = await observer.cluster("other").level()
            assert (found.tenant, [*found.alerts]) == ("other", [alert(tenant="other").identity])
            assert await observer.suppressed(alert(tenant="other"))
            assert not await observer.suppressed(alert())
            assert not await observer.all_suppressed([alert(tenant="other"), alert()])
            assert not await observer.suppressed(alert(tenant="unknown"))


async def test_silences_of_many_alerts_are_one_question(sky, observer):
    many = [alert(pod=str(n)) for n in range(500)]
    sky.answers["/api/v2/alerts"] = [level(item, "suppressed") for item in many]
    assert await observer.all_suppressed(many)
    assert len(sky.asked) == 1
    assert not await observer.all_suppressed([*many, alert(pod="audible")])
    assert not await observer.all_suppressed([])


@pytest.mark.parametrize(
    ("ruled", "alerts", "level_now", "answer"),
    [
        (True, active({"labels": dict(alert().labels), "state": "firing"}), [], True),
        (True, active(), [level(alert())], False),
        (False, active(), [level(alert())], True),
        (False, active(), [level(alert(), "suppressed")], True),
        (False, active(), [], False),
        (False, active(), 500, None),
        (None, 500, [level(alert())], True),
        (None, 500, [], False),
        (None, 500, 500, None),
    ],
)
async def test_prometheus_decides_where_it_has_the_rule_else_alertmanager(
    sky, observer, ruled, alerts, level_now, answer
):
    name = "ApiDbPoolExhausted" if ruled else "Another"
    sky.answers |= {
        "/api/v1/alerts": alerts,
        "/api/v1/rules": rules(name=name),
        "/api/v2/alerts": level_now,
    }
    assert await observer.still_firing([alert()]) == {alert().identity: answer}


async def test_a_peer_that_does_not_answer_leaves_it_open_whether_an_alert_fires(sky):
    sky.answers |= {"/api/v1/alerts": 500, "/api/v1/rules": 500, "/api/v2/alerts": []}
    clusters = {"default": [sky.url, "http://127.0.0.1:1"]}
    async with Observer(sky.url, clusters, 1, SystemClock()) as observer:
        assert await observer.still_firing([alert()]) == {alert().identity: None}
