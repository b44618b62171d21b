"""What is foreign stays text, in every length; what the agent writes looks as it meant it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sre_daemon.slack.mrkdwn import APART, FENCE, chunks, code, converted, escaped, foreign, line
from tests.support.slack import mrkdwn

TEXTS = st.text(alphabet=st.sampled_from("ab_*~`<>&!@#|:-[]() \n\u202e\x00é"), max_size=200)


@given(TEXTS)
def test_foreign_text_has_no_character_that_slack_acts_on(text):
    shown = foreign(text)
    assert mrkdwn(shown)
    # Nothing begins or ends a format: each such character that could stands apart.
    assert not re.search(r"(?<!\u200b)`", shown)
    assert not re.search(r"(^|[\s(])[*_~](?=\w)", shown)


@given(TEXTS)
def test_what_is_foreign_can_be_read_back(text):
    back = foreign(text).replace(APART, "").replace("&lt;", "<").replace("&gt;", ">")
    assert back.replace("&amp;", "&") == escaped(text).replace("&lt;", "<").replace(
        "&gt;", ">"
    ).replace("&amp;", "&")


@given(TEXTS)
def test_whatever_the_agent_writes_is_valid(text):
    shown = converted(text)
    assert mrkdwn(shown)
    assert len([item for item in shown.split("\n") if item == FENCE]) % 2 == 0


@given(TEXTS, st.integers(min_value=40, max_value=90))
def test_chunks_are_short_enough_and_lose_nothing(text, limit):
    shown = converted(text)
    parts = chunks(shown, limit)
    assert all(len(part) <= limit for part in parts)
    assert all(part.split("\n").count(FENCE) % 2 == 0 for part in parts)
    assert re.sub(r"[`\s]", "", "".join(parts)) == re.sub(r"[`\s]", "", shown)
    assert all(not re.search(r"&(?!amp;|lt;|gt;)", part) for part in parts)


@pytest.mark.parametrize(
    "attack", ["<!channel>", "<!here|x>", "<@U0ADMIN>", "<https://evil.example|console>", "&lt;"]
)
def test_nobody_is_called_and_nothing_is_linked_by_foreign_text(attack):
    assert "<" not in foreign(attack)
    assert "<" not in line(attack)
    assert "<" not in code(attack)


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("## What happened", "*What happened*"),
        ("the **pool** is *empty*", "the *pool* is _empty_"),
        ("- one\n* two", "• one\n• two"),
        ("see [the page](https://x.example/a)", "see the page (https://x.example/a)"),
        ("`DB_POOL_SIZE=1` is small", "`DB_POOL_SIZE=1` is small"),
        ("DB_POOL_SIZE stays", "DB_POOL_SIZE stays"),
        ("> said", "> said"),
        ("```python\nx < 1\n```", "```\nx &lt; 1\n```"),
        ("|a|b|\n|-|-|\n|1|2|", "```\n|a|b|\n|-|-|\n|1|2|\n```"),
    ],
)
def test_markdown_becomes_mrkdwn(markdown, shown):
    assert converted(markdown) == shown


def test_fence_that_is_not_closed_is_closed():
    assert converted("```\nx") == "```\nx\n```"


def test_secret_in_foreign_text_is_masked():
    assert "hunter2hunter2" not in foreign("password=hunter2hunter2 failed")


def test_unseen_characters_are_shown():
    assert "\\u202e" in foreign("a\u202eb")


def test_emoji_in_a_log_line_stays_text():
    assert ":fire:" not in foreign("on :fire: now")
    assert foreign("03:12:07") == "03:12:07"
