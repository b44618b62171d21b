"""Both redactors, the tool server's and the daemon's: the same rules, the same masks."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_tools import redaction as tools
from sre_daemon.domain import redaction as daemon
from tests.contracts.redaction import KEY, KNOWN, PLAIN, SECRETS

BOTH = [pytest.param(module, id=module.__name__) for module in (tools, daemon)]
MASK = re.compile(r"\*{3}[0-9a-f]{4}")


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("text", SECRETS)
def test_no_secret_is_left(module, text):
    hidden = module.Redactor(KEY, KNOWN).hide(text)
    assert SECRETS[text] not in hidden
    assert MASK.search(hidden)


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_secret_stays(module, text):
    assert module.Redactor(KEY, KNOWN).hide(text) == text


@pytest.mark.parametrize("module", BOTH)
def test_equal_secrets_have_equal_masks_wherever_they_occur(module):
    redactor = module.Redactor(KEY)
    masks = {
        MASK.search(redactor.hide(text))[0]
        for text in ("password=hunter2", "postgres://u:hunter2@h/", '{"secret": "hunter2"}')
    }
    assert masks == {redactor.mask("hunter2")} == {redactor.shown("DB_PASSWORD", "hunter2")}
    assert redactor.mask("hunter3") not in masks


@pytest.mark.parametrize("module", BOTH)
def test_another_installation_has_other_masks(module):
    assert module.Redactor(KEY).mask("hunter2") != module.Redactor(b"x" * 32).mask("hunter2")


@pytest.mark.parametrize("module", BOTH)
def test_structured_data_is_masked_by_the_names_of_its_fields(module):
    redactor = module.Redactor(KEY)
    mask = redactor.mask("hunter2")
    assert redactor.data(
        {
            "arguments": {"password": "hunter2", "user": "demo", "n": 1},
            "changes": [{"key": "DB_PASSWORD", "before": "hunter2", "after": "x"}],
            "key": "DB_POOL_SIZE",
            "value": "20",
            "tokens": "12",
            "text": ("password=hunter2",),
        }
    ) == {
        "arguments": {"password": mask, "user": "demo", "n": 1},
        "changes": [{"key": "DB_PASSWORD", "before": mask, "after": redactor.mask("x")}],
        "key": "DB_POOL_SIZE",
        "value": "20",
        "tokens": "12",
        "text": [f"password={mask}"],
    }


@pytest.mark.parametrize("module", BOTH)
def test_secret_keys_are_told_from_others(module):
    secret = ("DB_PASSWORD", "apiKey", "AUTH_TOKEN", "ssh-key", "db.passwd", "DBPASSWORD")
    plain = ("DB_POOL_SIZE", "KEYBOARD", "MONKEY_COUNT", "DB_NAME", "PASSAGE")
    assert all(map(module.is_secret, secret))
    assert not any(map(module.is_secret, plain))
    assert module.is_secret("DB", "postgres://u:p@h")
    assert module.is_secret("X", "AKIAABCDEFGHIJKLMNOP")


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("text", [*SECRETS, *PLAIN])
def test_masks_are_not_masked_again(module, text):
    redactor = module.Redactor(KEY, KNOWN)
    assert redactor.hide(redactor.hide(text)) == redactor.hide(text)


PIECES = st.sampled_from(
    [*SECRETS, *PLAIN, "password", "=", ": ", '"', "'", " ", "\n", "://", "@", "***a1b2", "token"]
)


@given(st.lists(PIECES | st.text(max_size=6), max_size=8).map("".join))
def test_both_sides_hide_alike(text):
    assert tools.Redactor(KEY, KNOWN).hide(text) == daemon.Redactor(KEY, KNOWN).hide(text)
    assert tools.is_secret(text, text) == daemon.is_secret(text, text)


@pytest.mark.parametrize("module", BOTH)
def test_hostile_text_costs_little_time(module):
    redactor = module.Redactor(KEY)
    started = time.perf_counter()
    for piece in (
        *("a", "password", "http://", "--", "authorization: ", "password = ", "eyJaaaaaaaa."),
        *("-----BEGIN PRIVATE KEY-----", "cookie:", "-password ", "PASSWORD '", "bearer ", "sk-"),
    ):
        redactor.hide(piece * (200_000 // len(piece)))
    assert time.perf_counter() - started < 8
