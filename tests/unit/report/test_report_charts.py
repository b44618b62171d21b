"""Charts: what is drawn stays within the picture, says its numbers, and takes any text."""

import re
from datetime import timedelta
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from sre_daemon.domain.series import Point, Series
from sre_daemon.report.charts import HEIGHT, WIDTH, Mark, chart, number
from tests.support.clock import START

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)


def series(values, condition="up < 1", step=10):
    return Series(
        condition,
        [Point(START + timedelta(seconds=n * step), value) for n, value in enumerate(values)],
    )


def drawn(values, marks=(), condition="up < 1", changed=None):
    return chart(series(values, condition), marks, changed)


@given(
    st.lists(FINITE, min_size=2, max_size=40),
    st.lists(st.tuples(st.integers(-100, 500), st.text(max_size=20)), max_size=6),
    st.text(max_size=40),
)
def test_picture_is_well_formed_and_within_its_bounds(values, marks, condition):
    found = drawn(
        values, [Mark(START + timedelta(seconds=at), word) for at, word in marks], condition
    )
    tree = ElementTree.fromstring(str(found.picture))
    for element in tree.iter():
        for name, limit in (
            ("x", WIDTH),
            ("cx", WIDTH),
            ("x1", WIDTH),
            ("y", HEIGHT),
            ("y1", HEIGHT),
        ):
            if name in element.attrib:
                assert -1 <= float(element.attrib[name]) <= limit + 1
    path = tree.find("path").attrib["d"]
    numbers = [float(n) for n in re.findall(r"-?\d+\.?\d*", path)]
    assert all(0 <= x <= WIDTH for x in numbers[::2])
    assert all(-1 <= y <= HEIGHT for y in numbers[1::2])


def test_values_before_and_after_the_change_are_told():
    found = drawn([12, 12, 12, 1, 0.5], changed=START + timedelta(seconds=20))
    assert (found.before, found.after) == (12, 0.5)
    assert 'aria-label="up: 12 before, 0.5 after"' in found.picture


def test_without_a_change_there_is_no_before():
    found = drawn([12, 11])
    assert (found.before, found.after) == (None, 11)
    assert "now 11" in found.picture


def test_missing_samples_break_the_line():
    points = list(series([1, 2, 3, 4]).points)
    gap = [Point(p.at + timedelta(minutes=5), p.value) for p in points]
    found = chart(Series("up", points + gap), [], None)
    assert found.picture.count("M") == 2


def test_one_sample_is_no_chart():
    assert drawn([1]) is None


def test_limit_and_marks_are_words_not_only_colours():
    marks = [Mark(START, "alert"), Mark(START + timedelta(seconds=1), "DB_POOL_SIZE")]
    picture = drawn([1, 2, 3], marks, "x >= 2").picture
    for word in ("&gt;= 2", "alert", "DB_POOL_SIZE"):
        assert word in picture


def test_hostile_words_are_escaped():
    picture = drawn([1, 2], [Mark(START, "<script>")], 'x{a="</svg><script>"} < 1').picture
    assert "<script" not in picture
    ElementTree.fromstring(str(picture))


def test_numbers_are_short():
    assert [number(n) for n in (0, 0.12345, 12.345, 1234, 2.5e6, 3e9, -1500)] == [
        "0",
        "0.123",
        "12.3",
        "1.23k",
        "2.5M",
        "3G",
        "-1.5k",
    ]
