"""Telling people: nothing holds anything up, nothing is lost, nothing is said twice on purpose."""

from dataclasses import replace
from datetime import timedelta

from sre_daemon.domain.delivery import Delivery
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.verdict import Reason
from sre_daemon.errors import NotifyError, NotifyRefused, StoreUnavailable
from sre_daemon.notify.reminders import Reminders
from sre_daemon.settings import ReminderSettings
from tests.support.clock import START
from tests.support.factories import incident
from tests.support.people import PlayedChannel, telling, until

ONE = incident(State.ESCALATED)


def moved(state, text="no cause found", reason=Reason.INCONCLUSIVE):
    data = {"from": "diagnosed", "to": state, "event": "denied", "reason": reason}
    return TimelineEvent(ONE.id, START, Kind.STATE, f"diagnosed -> {state}: {text}", data)


async def test_every_channel_is_told_and_the_timeline_knows(tmp_path):
    pager, chat = PlayedChannel(), PlayedChannel("chat")
    async with telling(tmp_path, pager, chat) as bench:
        await bench.opened(ONE)
        assert set(await bench.told(ONE.id, 2)) == {
            "escalated sent to pager",
            "escalated sent to chat",
        }
        (message,) = pager.sent
        assert (message.incident_id, message.state) == (ONE.id, "escalated")
        assert bench.gauge("messages_total", channel="pager", outcome="sent") == 1
        assert await bench.outbox.backlog() == {}


async def test_state_in_the_message_is_the_one_that_was_news(tmp_path):
    pager = PlayedChannel()
    async with telling(tmp_path, pager) as bench:
        await bench.opened(ONE)
        await bench.store.transition(
            replace(await bench.store.incident(ONE.id), state=State.CLOSED), [moved("resolved")]
        )
        bench.notifier.wake()
        await bench.told(ONE.id, 2)
        assert [m.state for m in pager.sent] == ["escalated", "resolved"]
        assert pager.sent[1].text == "no cause found"


async def test_failing_channel_is_tried_again_until_it_works(tmp_path):
    pager = PlayedChannel(failures=[NotifyError("answered 502")] * 4)
    async with telling(tmp_path, pager) as bench:
        await bench.opened(ONE)
        for tries in range(1, 5):
            await pager.until(lambda c, n=tries: c.tries >= n)
            await settled(bench, tries)
            bench.later(2.0**tries)
        assert await bench.told(ONE.id, 2) == [
            "escalated delayed to pager: answered 502",
            "escalated sent to pager",
        ]
        assert (pager.tries, len(pager.sent)) == (5, 1)
        assert bench.gauge("messages_total", channel="pager", outcome="retried") == 4


async def settled(bench, tries):
    """Until the store knows how so many tries ended."""
    await until(lambda: bench.gauge("messages_total", channel="pager", outcome="retried") >= tries)
    await until(bench.nothing_due)


async def test_pause_that_the_channel_asked_for_is_kept(tmp_path):
    pager = PlayedChannel(failures=[NotifyError("answered 429", retry_after=90)])
    async with telling(tmp_path, pager) as bench:
        await bench.opened(ONE)
        await bench.told(ONE.id)
        bench.later(89)
        assert await bench.nothing_due()
        assert pager.tries == 1
        bench.later(2)
        await pager.until(lambda c: c.sent)


async def test_message_that_is_refused_is_not_sent_again(tmp_path):
    pager = PlayedChannel(failures=[NotifyRefused("too long")])
    async with telling(tmp_path, pager) as bench:
        await bench.opened(ONE)
        assert await bench.told(ONE.id) == ["escalated failed to pager: too long"]
        bench.later(86400)
        assert await bench.nothing_due()
        assert pager.tries == 1
        assert bench.gauge("messages_total", channel="pager", outcome="failed") == 1


async def test_after_a_day_nobody_wants_to_hear_it(tmp_path):
    pager = PlayedChannel(failures=[NotifyError("down")] * 2)
    async with telling(tmp_path, pager) as bench:
        await bench.opened(ONE)
        await bench.told(ONE.id)
        bench.later(86400)
        assert (await bench.told(ONE.id, 2))[1] == "escalated failed to pager: down"


async def test_hanging_channel_holds_up_no_other(tmp_path):
    dead, chat = PlayedChannel("dead", blocked=True), PlayedChannel("chat")
    async with telling(tmp_path, dead, chat) as bench:
        await bench.opened(ONE)
        await bench.store.note([moved("escalated", "again")])
        bench.notifier.wake()
        await chat.until(lambda c: len(c.sent) == 2)
        assert dead.sent == []


async def test_defect_in_a_channel_is_a_failure_of_that_channel_only(tmp_path):
    pager = PlayedChannel(failures=[ZeroDivisionError()])
    async with telling(tmp_path, pager) as bench:
        await bench.opened(ONE)
        assert "ZeroDivisionError in the channel" in (await bench.told(ONE.id))[0]
        assert bench.gauge("channel_up", channel="pager") == 0
        bench.later(5)
        await pager.until(lambda c: c.sent)
        await bench.told(ONE.id, 2)
        assert bench.gauge("channel_up", channel="pager") == 1


async def test_time_to_the_first_message_is_measured_once(tmp_path):
    pager, chat = PlayedChannel(), PlayedChannel("chat")
    async with telling(tmp_path, pager, chat) as bench:
        bench.clock.advance(42)
        await bench.opened(ONE)
        await bench.told(ONE.id, 2)
        assert bench.gauge("alert_to_first_message_seconds_sum") == 42
        assert bench.gauge("alert_to_first_message_seconds_count") == 1


async def test_without_channels_the_log_still_tells(tmp_path, capsys):
    async with telling(tmp_path) as bench:
        await bench.opened(ONE)
        seen = []
        await until(lambda: seen.append(capsys.readouterr().out) or "a person" in "".join(seen))
        assert ONE.id in "".join(seen)


async def test_what_is_about_the_daemon_goes_to_those_who_want_it(tmp_path):
    pager, chat = PlayedChannel(), PlayedChannel("chat")
    async with telling(tmp_path, pager, chat, daemon=["chat"]) as bench:
        await bench.notifier.tell("no alert may be reaching sre-daemon", "look at Prometheus")
        await chat.until(lambda c: c.sent)
        assert (chat.sent[0].title, chat.sent[0].state) == (
            "no alert may be reaching sre-daemon",
            "daemon",
        )
        assert pager.tries == 0


async def test_same_trouble_is_told_once(tmp_path):
    pager = PlayedChannel()
    async with telling(tmp_path, pager) as bench:
        for _ in range(3):
            await bench.notifier.tell("full", "the disk", key="disk")
        await bench.notifier.tell("other", "trouble")
        await pager.until(lambda c: len(c.sent) == 2)
        assert [m.title for m in pager.sent] == ["full", "other"]


async def test_store_in_trouble_is_told_without_the_store(tmp_path):
    pager = PlayedChannel(failures=[NotifyError("down")])
    async with telling(tmp_path, pager) as bench:

        async def full(_):
            raise StoreUnavailable("the disk is full")

        bench.outbox.add = full
        await bench.notifier.tell("the store does not work", "the disk is full")
        await pager.until(lambda c: c.sent)
        assert pager.sent[0].title == "the store does not work"


async def test_dead_channel_is_a_metric_and_told_over_the_others(tmp_path):
    dead = PlayedChannel("dead", failures=[NotifyError("answered 502")] * 99)
    chat = PlayedChannel("chat")
    async with telling(tmp_path, dead, chat) as bench:
        await bench.opened(ONE)
        await bench.told(ONE.id, 2)
        await bench.notifier.watch()
        assert bench.gauge("messages_waiting", channel="dead") == 1
        assert len(chat.sent) == 1
        bench.later(301)
        await bench.notifier.watch()
        await bench.notifier.watch()
        assert bench.gauge("message_oldest_waiting_seconds", channel="dead") == 301
        await chat.until(lambda c: len(c.sent) == 2)
        assert await bench.nothing_due("chat")
        (trouble,) = chat.sent[1:]
        assert trouble.title == "the channel dead takes no messages"
        assert "answered 502" in trouble.text


async def test_what_waited_at_a_stop_is_sent_by_the_next_start(tmp_path):
    blocked = PlayedChannel(blocked=True)
    async with telling(tmp_path, blocked) as bench:
        await bench.opened(ONE)
        await blocked.until(lambda c: c.tries)
    pager = PlayedChannel()
    async with telling(tmp_path, pager) as bench:
        await bench.told(ONE.id)
        assert [m.incident_id for m in pager.sent] == [ONE.id]


async def test_news_of_before_the_start_is_planned(tmp_path):
    async with telling(tmp_path) as bench:
        pass
    pager = PlayedChannel()
    async with telling(tmp_path, pager) as bench:
        await bench.opened(ONE)
        await pager.until(lambda c: c.sent)


async def test_approval_that_waits_is_called_to_mind_so_often_and_no_more(tmp_path):
    pager = PlayedChannel()
    async with telling(tmp_path, pager) as bench:
        waiting = replace(ONE, state=State.AWAITING_APPROVAL)
        await bench.opened(waiting)
        settings = ReminderSettings(every=timedelta(minutes=15), most=2)
        remind = Reminders(bench.store, bench.outbox, bench.notifier.router, settings, bench.clock)
        await bench.told(ONE.id)
        for _ in range(8):
            bench.later(300)
            await remind()
            await remind()
        notes = await bench.told(ONE.id, 3)
        assert notes[1:] == ["reminder 1 sent to pager", "reminder 2 sent to pager"]
        assert pager.sent[1].text == "still waiting for an answer, for 15 min now"
        assert pager.sent[2].again


async def test_answered_approval_is_not_called_to_mind(tmp_path):
    pager = PlayedChannel()
    async with telling(tmp_path, pager) as bench:
        await bench.opened(ONE)
        settings = ReminderSettings(every=timedelta(minutes=15))
        bench.later(3600)
        await Reminders(bench.store, bench.outbox, bench.notifier.router, settings, bench.clock)()
        await bench.told(ONE.id)
        assert [m.reminder for m in pager.sent] == [0]


async def test_alert_that_joins_does_not_start_the_wait_afresh(tmp_path):
    pager = PlayedChannel()
    async with telling(tmp_path, pager) as bench:
        waiting = replace(ONE, state=State.AWAITING_APPROVAL)
        await bench.opened(waiting)
        await bench.store.note([moved("awaiting_approval")])
        fresh = await bench.store.incident(ONE.id)
        await bench.store.transition(replace(fresh, updated_at=START + timedelta(minutes=14)), [])
        bench.later(15 * 60)
        settings = ReminderSettings(every=timedelta(minutes=15))
        await Reminders(bench.store, bench.outbox, bench.notifier.router, settings, bench.clock)()
        await pager.until(lambda c: any(m.reminder for m in c.sent))


async def test_delivery_of_a_forgotten_incident_is_dropped(tmp_path):
    pager = PlayedChannel()
    async with telling(tmp_path, pager) as bench:
        await bench.outbox.add([Delivery("pager", "k", "gone", {}, START, START)])
        bench.notifier.wake()

        async def empty():
            return not await bench.outbox.backlog()

        await until(empty)
        assert pager.tries == 0
