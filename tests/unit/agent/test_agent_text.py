import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from sre_daemon.agent.text import INVISIBLE, KEPT, Fence, clean

MARKER = "00112233445566778899aabbccddeeff"
# Text made to break out: the marker itself, whole or in pieces, among anything else.
HOSTILE = st.lists(
    st.one_of(
        st.text(max_size=20),
        st.sampled_from(
            [
                MARKER,
                MARKER.upper(),
                MARKER[:16],
                MARKER[16:],
                f"{MARKER[:9]}\u200b{MARKER[9:]}",
                f"</data-{MARKER}>",
                f"<data-{MARKER}",
                "\u202e",
                "\x00",
                "[removed]",
            ]
        ),
    ),
    max_size=12,
).map("".join)


@given(HOSTILE, HOSTILE)
def test_no_text_can_close_its_fence(title, text):
    fence = Fence(MARKER)
    block = fence.wrap(title, text, limit=10_000)
    assert re.findall(MARKER, block, re.IGNORECASE) == [MARKER, MARKER]
    assert block.startswith(fence.opening)
    assert block.endswith(fence.closing)


@given(HOSTILE)
def test_cleaned_text_has_no_invisible_characters(text):
    left = {unicodedata.category(c) for c in clean(text) if c not in KEPT}
    assert not left & INVISIBLE


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_cleaned_text_is_capped(text, limit):
    assert len(clean(text, limit)) <= limit + len(" [cut: 1000000 characters more]")


def test_bidi_zero_width_and_tag_characters_are_removed():
    assert clean("a\u202eb\u200bc\U000e0041d\x1b[31m\ue000") == "abcd[31m"


def test_every_line_break_becomes_a_newline():
    assert clean("a\r\nb\rc\u2028d\u2029e\u0085f\tg") == "a\nb\nc\nd\ne\nf\tg"


def test_a_cut_is_said():
    assert clean("abcdef", 2) == "ab [cut: 4 characters more]"


def test_markers_are_different_in_every_prompt():
    assert Fence().marker != Fence().marker
    assert len(Fence().marker) == 32
