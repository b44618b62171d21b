"""Reading matchers, and what they say about labels."""

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sre_daemon.policy.matchers import MAX_REGEX, Matcher, Operator, compile_regex, parse

TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=12)


def one(text):
    (matcher,) = parse(text)
    return matcher


def test_parts_of_a_matcher_are_read():
    for text in ('service="api"', "service=api", ' service = "api" ', '{service="api"}'):
        assert one(text) == Matcher("service", Operator.EQUAL, "api")


@pytest.mark.parametrize("operator", list(Operator))
def test_every_operator_is_read(operator):
    assert one(f'a{operator}"x"').operator is operator


def test_a_list_is_read_in_order():
    assert [str(m) for m in parse('{a="1",b!="2", c=~"3",}')] == ['a="1"', 'b!="2"', 'c=~"3"']


def test_signs_within_quotes_belong_to_the_value():
    assert one('a="b,c={d}!~"').value == "b,c={d}!~"


def test_escapes_in_quotes_are_undone():
    assert one(r'a="1\n2\t3\\4\"5"').value == '1\n2\t3\\4"5'


def test_a_quoted_name_may_have_any_sign():
    assert one('"a b.c"="x"').name == "a b.c"


@pytest.mark.parametrize(
    ("matcher", "value", "expected"),
    [
        ('a="x"', "x", True),
        ('a="x"', "X", False),
        ('a="x"', "xx", False),
        ('a!="x"', "y", True),
        ('a!="x"', "x", False),
        ('a=~"x|yz"', "yz", True),
        ('a=~"x|y"', "xz", False),
        ('a=~"x|y"', "zx", False),
        ('a!~"x|y"', "xz", True),
        ('a!~"x|y"', "y", False),
        ('a=~"x.y"', "x\ny", False),
        (r'a=~"\\d"', "3", True),
        (r'a=~"\\d"', "٣", False),
        (r'a=~"\\w"', "é", False),
    ],
)
def test_a_value_is_compared_whole(matcher, value, expected):
    assert one(matcher).matches({"a": value, "b": "x"}) is expected


@pytest.mark.parametrize(
    ("matcher", "expected"),
    [
        ('a=""', True),
        ('a!=""', False),
        ('a="x"', False),
        ('a!="x"', True),
        ('a=~".+"', False),
        ('a=~".*"', True),
        ('a!~".+"', True),
    ],
)
def test_a_missing_label_is_an_empty_one(matcher, expected):
    assert one(matcher).matches({}) is expected
    assert one(matcher).matches({"a": ""}) is expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "  ",
        "a",
        "=x",
        'a~"x"',
        'a=="x"',
        'a="x',
        'a=x"',
        "a='x'",
        "a=`x`",
        "a=x y",
        'a="x" b="y"',
        'a="x",,b="y"',
        ',a="x"',
        '{a="x"',
        'a="x"}',
        "{a=x",
        "a=x}",
        r'a="\d"',
        r'a="\x41"',
        'a=~"("',
        'a!~"["',
    ],
)
def test_what_is_no_matcher_is_refused(text):
    with pytest.raises(ValueError, match=r"\w"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "(a*)*",
        "(a+)+b",
        "(ab|cd)*",
        "(a{1,9}){1,9}",
        "(?:a?)*",
        "a?" * 30 + "a" * 30,
        "(?:a|ab)" * 30,
        ".*.*.*.*x",
        "a{0,100}" * 4,
    ],
)
def test_an_expression_that_can_explode_is_refused(text):
    with pytest.raises(ValueError, match=r"explode|too many ways"):
        compile_regex(text)


@pytest.mark.parametrize(
    "text",
    [
        "a++",
        "(?>a)",
        "(a)\\1",
        "(?=a)a",
        "(?!a)b",
        "(?<=a)b",
        "(?P<n>a)(?P=n)",
        "(a)?(?(1)b|c)",
        "(?x)a b",
        "(?i-s:a)(?a:b)",
        "(?#note)a",
        "[[:alpha:]]",
        "[^[:digit:]a]",
        "a{,3}",
        "a\\Z",
        "\\u0041",
        "\\N{DIGIT ONE}",
        "(?i)é",
        "[a&&b]",
        "[a--b]",
        "a{1001}",
        "a{2}{3}",
    ],
)
def test_an_expression_that_alertmanager_reads_otherwise_is_refused(text):
    with pytest.raises(ValueError, match=r"\w"):
        compile_regex(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("api|web|db-.*", "db-1"),
        (".*a.*b.*", "xaxbx"),
        ("(?i)API", "api"),
        ("(?i:A)b", "ab"),
        ("(?P<n>a)", "a"),
        ("[]a-]", "-"),
        (r"a\[:b", "a[:b"),
        (r"\(\?#", "(?#"),
        (r"C:\\users", r"C:\users"),
        ("a--b", "a--b"),
        ("(?:dev|prod)-[a-z]{1,20}-[0-9]+", "prod-api-12"),
        ("(a|b)*", "abba"),
    ],
)
def test_a_plain_expression_is_accepted(text, value):
    assert compile_regex(text).fullmatch(value)
    assert not compile_regex(text).fullmatch(value + "\n")


def test_a_long_expression_is_refused():
    assert compile_regex("a" * MAX_REGEX)
    with pytest.raises(ValueError, match=str(MAX_REGEX)):
        compile_regex("a" * (MAX_REGEX + 1))


@given(TEXT.filter(bool), st.sampled_from([Operator.EQUAL, Operator.NOT_EQUAL]), TEXT)
@settings(max_examples=150)
@example(name='a"\\\n', operator=Operator.EQUAL, value='"\\\n\\n')
@example(name="a}", operator=Operator.EQUAL, value="{")
def test_a_printed_matcher_is_read_back_the_same(name, operator, value):
    matcher = Matcher(name, operator, value)
    assert parse(str(matcher)) == (matcher,)
    assert parse(f"{{{matcher}}}") == (matcher,)


@given(st.text('abc={}",!~\\ n', max_size=20))
@settings(max_examples=300)
def test_any_text_is_read_or_refused(text):
    try:
        matchers = parse(text)
    except ValueError:
        return
    for matcher in matchers:
        assert matcher.matches({"a": "b"}) in {True, False}


@given(st.text(max_size=12), st.text("ab.*|", max_size=8), st.dictionaries(TEXT, TEXT, max_size=3))
@settings(max_examples=150)
def test_a_negated_matcher_says_the_opposite(value, pattern, labels):
    pairs = [
        (Matcher("a", Operator.EQUAL, value), Matcher("a", Operator.NOT_EQUAL, value)),
    ]
    try:
        compiled = compile_regex(pattern)
    except ValueError:
        pass
    else:
        pairs.append(
            (
                Matcher("a", Operator.MATCH, pattern, compiled),
                Matcher("a", Operator.NOT_MATCH, pattern, compiled),
            )
        )
    for positive, negative in pairs:
        assert positive.matches(labels) is not negative.matches(labels)


@given(st.text("a?*+{}2,9()|.", max_size=40))
@settings(max_examples=200, deadline=None)
@example("a?" * 10 + "a" * 10)
@example(".*.*.*x")
@example("(?:a|ab)" * 20)
def test_an_accepted_expression_is_tried_quickly(pattern):
    try:
        compiled = compile_regex(pattern)
    except ValueError:
        return
    begin = time.perf_counter()
    compiled.fullmatch("a" * 200 + "!")
    assert time.perf_counter() - begin < 2


@pytest.mark.parametrize("text", ['pod=~".*a.*b.*c"', 'pod!~".*a.*b.*c"'])
def test_a_value_too_long_to_be_searched_fulfils_no_expression(text):
    (matcher,) = parse(text)
    assert not matcher.matches({"pod": "a" * 16_000})
    assert not matcher.matches({"pod": "abc" + "c" * 254})
