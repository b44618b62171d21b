import pytest

from sre_daemon.agent.prices import UNKNOWN, Price, listed, price
from sre_daemon.domain.run import Usage

USAGE = Usage(
    input_tokens=1_000_000,
    output_tokens=100_000,
    cache_read_tokens=1_000_000,
    cache_write_tokens=1_000_000,
)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-opus-4-6", Price(5, 25)),
        ("claude-opus-5-5", Price(4, 20)),
        ("claude-opus-5", Price(5, 25)),
        ("claude-haiku-4-5-20251001", Price(1, 5)),
        ("us.anthropic.claude-sonnet-4-6-v1:0", Price(3, 15)),  # as Bedrock names it
        ("claude-haiku-5-5@20260801", Price(0.1, 0.5)),  # as Vertex does
    ],
)
def test_longest_known_name_counts(model, expected):
    assert price(model, {}) == expected
    assert listed(model)


def test_unknown_model_is_taken_for_a_dear_one():
    assert price("llama-9", {}) == UNKNOWN
    assert not listed("llama-9")


def test_operators_word_counts_first():
    own = {"llama-9": Price(0, 0), "claude-opus-4-6": Price(1, 2)}
    assert price("llama-9", own).of(USAGE) == 0
    assert price("claude-opus-4-6", own) == Price(1, 2)


def test_caches_are_priced_by_what_is_read_for_them():
    assert Price(5, 25).of(USAGE) == pytest.approx(5 + 0.5 + 6.25 + 2.5)
