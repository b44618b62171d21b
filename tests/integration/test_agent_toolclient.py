import asyncio
import shlex
import sys

import pytest

from sre_daemon.errors import ToolFailed, ToolServerUnavailable
from sre_daemon.toolclient import ToolServer, open_session
from tests.support.investigations import stand_in
from tests.support.processes import belonging_to


async def until(condition):
    async with asyncio.timeout(20):
        while True:
            if condition():
                return
            await asyncio.sleep(0.02)


async def test_call_returns_structure_text_and_error_flag(tmp_path):
    world = {"get_logs": {"lines": ["a"]}, "get_alerts": {"error": "no Alertmanager"}}
    async with open_session(stand_in(tmp_path, world)) as session:
        good = await session.call("get_logs", {"service": "x"})
        bad = await session.call("get_alerts", {})
    assert good == ({"call": "c1", "lines": ["a"]}, "[c1] get_logs", False)
    assert bad == (None, "[c2] no Alertmanager", True)
    assert (good.output, bad.output) == ('{"call": "c1", "lines": ["a"]}', "[c2] no Alertmanager")


async def test_calls_run_in_parallel(tmp_path):
    async with open_session(stand_in(tmp_path)) as session:
        results = await asyncio.gather(*(session.call("get_logs", {}) for _ in range(20)))
    assert {r.structured["call"] for r in results if r.structured} == {
        f"c{n}" for n in range(1, 21)
    }


async def test_server_is_gone_with_its_session(tmp_path):
    async with open_session(stand_in(tmp_path)):
        assert belonging_to(tmp_path)
    assert belonging_to(tmp_path) == []


@pytest.mark.parametrize("ends_by", ["time", "cancel"])
async def test_end_that_strikes_while_it_closes_leaves_nothing(tmp_path, ends_by):
    usual = stand_in(tmp_path)
    # What is left of it when its input ends holds up the close until it is killed.
    stubborn = ToolServer(
        ("/bin/sh", "-c", f"{shlex.join(usual.command)}; exec sleep 100"), usual.env, tmp_path
    )
    deadline = asyncio.timeout(None)

    async def use():
        async with deadline, open_session(stubborn):
            using = asyncio.current_task()
            loop = asyncio.get_running_loop()
            if ends_by == "time":
                deadline.reschedule(loop.time() + 0.2)
            else:
                loop.call_later(0.2, using.cancel)

    with pytest.raises((TimeoutError, asyncio.CancelledError)):
        await asyncio.create_task(use())
    await until(lambda: not belonging_to(tmp_path))


async def test_cancelled_start_leaves_nothing(tmp_path):
    async def use():
        async with open_session(stand_in(tmp_path, mode="hang")):
            pass

    using = asyncio.create_task(use())
    await until(lambda: belonging_to(tmp_path))
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    assert belonging_to(tmp_path) == []


async def test_errors_of_the_caller_pass_through_unwrapped(tmp_path):
    with pytest.raises(KeyError):
        async with open_session(stand_in(tmp_path)):
            raise KeyError("mine")


async def test_program_that_does_not_exist_is_unavailable():
    with pytest.raises(ToolServerUnavailable, match="cannot be started"):
        async with open_session(ToolServer(("/nowhere/tools",))):
            pass


async def test_program_that_ends_at_once_is_unavailable_with_its_last_words():
    command = (sys.executable, "-IS", "-c", "import sys; sys.exit('no such config')")
    with pytest.raises(ToolServerUnavailable, match="no such config"):
        async with open_session(ToolServer(command)):
            pass


async def test_server_that_crashes_in_a_call_is_unavailable(tmp_path):
    with pytest.raises(ToolServerUnavailable, match="went away during get_logs"):
        async with open_session(stand_in(tmp_path, mode="crash")) as session:
            await session.call("get_logs", {})


async def test_call_without_an_answer_fails_in_time(tmp_path):
    async with open_session(stand_in(tmp_path, {}, mode="silent")) as session:
        with pytest.raises(ToolFailed, match=r"within 0\.2 s"):
            await session.call("get_logs", {}, timeout=0.2)
        assert (await session.call("get_alerts", {})).structured == {"call": "c2"}


async def test_environment_of_the_daemon_is_not_handed_down(tmp_path, monkeypatch):
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
    async with open_session(stand_in(tmp_path)):
        (server,) = belonging_to(tmp_path)
        names = set(server.environ())
    allowed = {"HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER"}
    assert names - allowed == {"STAND_IN_WORLD", "STAND_IN_MODE"}
