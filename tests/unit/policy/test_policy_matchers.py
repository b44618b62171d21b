"""Reading matchers, and what they say about labels."""

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sre_daemon.policy.matchers import Matcher, Operator, parse
from sre_daemon.policy.regex import MAX_LENGTH, Expression

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
    assert one(r'a="1\n2\\3\"4"').value == '1\n2\\3"4'


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"\t", "\t"),
        (r"\a\b\f\r\v", "\a\b\f\r\v"),
        (r"\x41\101", "AA"),
        (r"\xf0\x9f\x99\x82", "🙂"),
        (r"\U0001f642", "🙂"),
        (r"\u00e9", "é"),
        ("🙂bar", "🙂bar"),
    ],
)
def test_beside_a_name_of_the_newer_parser_every_escape_of_go_is_undone(text, value):
    for name in ('"a"', "a-b", "é"):
        assert one(f'{name}="{text}"').value == value
    assert parse(f'c="{text}",a-b=x')[0].value == value
    if "\\" in text:
        with pytest.raises(ValueError, match="not read alike"):
            parse(f'a="{text}"')


@pytest.mark.parametrize(
    "text", [r"\w", r"\'", r"\x4", r"\xf0\x9f", r"\ud800", r"\U00110000", r"\400", r"\u12"]
)
def test_what_is_no_escape_of_go_is_refused(text):
    with pytest.raises(ValueError, match=r"escape|is no character|is not Unicode"):
        parse(f'"a"="{text}"')


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
        r'a="\t"',
        'a="x\ny"',
        'a="x\\',
        "a=",
        "{a=}",
        "a=,b=x",
        '""="x"',
        "a=\u00a0x",
        "a=x\u00a0",
        "a=x\v",
        "a=x\x1c",
        "a={x}",
        "{{a=x}}",
        "{a=x}{b=y}",
        "}a=x{",
        ",",
        "{,}",
        "a=:'x'",
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
        "a++",
        "(?>a)",
        "(a)\\1",
        "(?=a)a",
        "(?!a)b",
        "(?<=a)b",
        "(?P<n>a)(?P=n)",
        "(a)?(?(1)b|c)",
        "(?x)a b",
        "(?a:b)",
        "(?#note)a",
        "a\\Z",
        "\\u0041",
        "\\N{DIGIT ONE}",
        "\\C",
        "[[:alpha:]]\\C+",
        "a{1001}",
        "a{2}{3}",
        "(a{100}){100}",
        "a)|(b",
        "(",
        "\ud800",
    ],
)
def test_what_alertmanager_does_not_know_as_an_expression_is_refused(text):
    with pytest.raises(ValueError, match="is not a regular expression"):
        Expression(text)


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
        ("[[:alpha:]]+", "abc"),
        ("[^[:digit:]a]", "b"),
        ("a{,3}", "a{,3}"),
        ("(?i)é", "É"),
        (r"\pL+", "aé"),
        (r"\Qa.b\E", "a.b"),
        (r"\\C", r"\C"),
        ("(a*)*", "aaa"),
        ("(?:dev|prod)-[a-z]{1,20}-[0-9]+", "prod-api-12"),
        ("(a|b)*", "abba"),
    ],
)
def test_a_plain_expression_is_accepted(text, value):
    assert Expression(text).matches(value)
    assert not Expression(text).matches(value + "\n")


def test_a_long_expression_is_refused():
    assert Expression("a" * MAX_LENGTH)
    with pytest.raises(ValueError, match=str(MAX_LENGTH)):
        Expression("a" * (MAX_LENGTH + 1))


def test_what_is_no_text_fulfils_no_expression():
    for text in ('a=~".*"', 'a!~"x"'):
        assert not one(text).matches({"a": "\ud800"})


def test_expressions_are_equal_by_their_text():
    assert parse('a=~"x|y"') == parse("{a=~x|y}")
    assert Expression("x") != Expression("y")
    assert len({Expression("x"), Expression("x")}) == 1


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
        compiled = Expression(pattern)
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


@pytest.mark.parametrize(
    "text",
    [
        "(a*)*b",
        "(a+)+b",
        "(ab|a|b)*c",
        "(a{1,9}){1,9}c",
        "(?:a?)*b",
        "a?" * 60 + "a" * 60,
        "(?:a|ab)" * 60,
        ".*.*.*.*x",
        ".*a.{100}b.*",
        "(a?){500}a{500}",
    ],
)
def test_no_expression_explodes(text):
    """Each takes longer than anyone waits where expressions are tried by going back."""
    (matcher,) = parse(f'pod=~"{text}"')
    begin = time.perf_counter()
    matcher.matches({"pod": "a" * 16_000})
    assert time.perf_counter() - begin < 2


@given(st.text("a?*+{}2,9()|.[]^$", max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_expression_is_tried_quickly_or_refused(pattern):
    try:
        compiled = Expression(pattern)
    except ValueError:
        return
    begin = time.perf_counter()
    compiled.matches("a" * 5000 + "!")
    assert time.perf_counter() - begin < 2
