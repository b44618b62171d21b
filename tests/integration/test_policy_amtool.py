"""Matchers mean what they mean to Alertmanager, as its own `amtool` says."""

import json
import shutil
import subprocess

import pytest

from sre_daemon.policy.matchers import parse

AMTOOL = shutil.which("amtool")
pytestmark = pytest.mark.skipif(AMTOOL is None, reason="amtool (of Alertmanager) is not installed")

SAMPLES = [
    {},
    {"a": "x"},
    {"a": "X"},
    {"a": "xx"},
    {"a": "xy"},
    {"a": "y"},
    {"a": "x y"},
    {"a": "x,y"},
    {"a": "{x}"},
    {"a": "x=y"},
    {"a": "x.y"},
    {"a": "x\ny"},
    {"a": "x\n"},
    {"a": "x\\y"},
    {"a": 'x"y'},
    {"a": "7"},
    {"a": "٣"},
    {"a": "é"},
    {"a": "-"},
    {"a": "x", "b": "y"},
    {"a": "y", "b": "x"},
    {"b": "y"},
]

ALIKE = [
    'a="x"',
    "a=x",
    ' a = "x" ',
    '{a="x"}',
    '{a="x",}',
    'a="x",b="y"',
    '{ a="x" , b!="y" }',
    "{a=x,b=y}",
    "a=",
    'a=""',
    'a!=""',
    "a!=x",
    'a!="x"',
    'a="x y"',
    'a="x,y"',
    'a="{x}"',
    'a="x=y"',
    r'a="x\ny"',
    'a="x\ny"',
    r'a="x\\y"',
    r'a="x\"y"',
    'a="é"',
    "a=é",
    'a=~""',
    'a!~""',
    'a=~"x"',
    'a=~"x|y"',
    'a!~"x|y"',
    'a=~"x.y"',
    'a!~"x.y"',
    'a=~"(?s)x.y"',
    'a=~".*"',
    'a=~".+"',
    'a!~".+"',
    'a=~"x|"',
    'a=~"^x$"',
    'a=~"x+"',
    'a=~"x{2}"',
    'a=~"x{1,}"',
    'a=~"x{1,2}y?"',
    'a=~"[a-x]+"',
    'a=~"[^x]"',
    'a=~"[]x-]"',
    'a=~"(?i)X"',
    'a=~"(?i:X)y"',
    'a=~"(?P<n>x)y"',
    r'a=~"\\d"',
    r'a=~"\\w"',
    r'a!~"\\w"',
    r'a=~"\\W"',
    r'a=~"x\\.y"',
    r'a=~"x\\sy"',
    r'a=~"x\\\\y"',
    r'a=~"\\bx\\b.*"',
    "a=~x.*",
    "a=~(x|y)",
    'a=~".*x.*y.*"',
    'a=~"x",a!~"y",b!="z"',
]

REFUSED_BY_BOTH = [
    "a",
    "=x",
    "a~x",
    'a="x',
    'a=x"',
    'a="x"y"',
    "a=x,,b=y",
    "a=x,,",
    'a=~"("',
    'a=~"["',
    'a=~"*"',
    'a=~"x**"',
    'a=~"x{2}{3}"',
    'a=~"x{1001}"',
    'a=~"[z-a]"',
    'a=~"x++"',
    'a=~"(?x)x"',
    'a=~"(?u)x"',
    'a=~"(?#c)x"',
    'a=~"(?=x)x"',
    'a=~"(?>x)"',
    r'a=~"(x)\\1"',
    r'a=~"x\\Z"',
    r'a=~"\\u0041"',
]

STRICTER = {
    "{}": "a policy for every alert is never meant",
    "a=x y": "what is meant is unclear without quotes, and refused by Alertmanager from 0.27 on",
    "a==x": "the same",
    "a=x=y": "the same",
    "a={x}": "the same",
    "a='x'": "the same: the quotes would be part of the value",
    '{a="x"': "a brace that is not closed",
    'a="x"}': "a brace that was not opened",
    r'a="x\y"': "an escape that the two parsers of Alertmanager read differently",
    r'a=~"\d"': "the same",
    "a=~x\\.y": "the same",
    '{a="x", }': "a comma before nothing but a blank",
    'a=~"(x*)*"': "exponential time in Python",
    'a=~"(xy|yx)+"': "exponential time in Python",
    'a=~".*.*.*.*x"': "much time in Python",
    'a=~"[[:alpha:]]"': "Python reads a set of other signs",
    'a=~"x{,3}"': "Python reads a repetition, Go the text",
    'a=~"[a&&b]"': "a later Python will read an intersection",
    'a=~"(?i)é"': "ignoring case is ASCII here",
    r'a=~"\\z"': "Python has no such escape",
    r'a=~"\\pL"': "Python has no such escape",
    r'a=~"\\Qx\\E"': "Python has no such escape",
    f'a=~"{"x" * 257}"': "too long to be reviewed",
}

# Quoted names and Unicode names came with Alertmanager 0.27; this tool may be older.
NEWER = ['"a b"="x"', "é=x", "a-b=x", "1a=x"]


def amtool(folder, texts, labels):
    """The texts that match; None when one of them is refused."""
    routes = [
        {"receiver": str(number), "matchers": [text], "continue": True}
        for number, text in enumerate(texts)
    ]
    receivers = [{"name": name} for name in ("none", *(route["receiver"] for route in routes))]
    config = folder / "alertmanager.json"
    config.write_text(
        json.dumps({"route": {"receiver": "none", "routes": routes}, "receivers": receivers})
    )
    pairs = [f"{name}={_quoted(value)}" for name, value in {"other": "1", **labels}.items()]
    command = [AMTOOL, "config", "routes", "test", f"--config.file={config}", *pairs]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode != 0:
        assert "error" in done.stderr, done.stderr
        return None
    return [texts[int(name)] for name in done.stdout.strip().split(",") if name != "none"]


def _quoted(value):
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def ours(text, labels):
    return all(matcher.matches(labels) for matcher in parse(text))


def test_the_tool_tells_match_from_no_match(tmp_path):
    assert amtool(tmp_path, ["a=x", "a=y", "a!=z"], {"a": "x"}) == ["a=x", "a!=z"]
    assert amtool(tmp_path, ["a=x"], {"a": "y"}) == []
    assert amtool(tmp_path, ["a=x", "a=~("], {"a": "y"}) is None


@pytest.mark.parametrize("labels", SAMPLES, ids=str)
def test_a_matcher_matches_what_alertmanager_matches(tmp_path, labels):
    assert [text for text in ALIKE if ours(text, labels)] == amtool(tmp_path, ALIKE, labels)


def test_the_samples_tell_every_matcher_from_a_constant():
    assert [t for t in ALIKE if len({ours(t, labels) for labels in SAMPLES}) == 1] == []


@pytest.mark.parametrize("text", REFUSED_BY_BOTH)
def test_what_alertmanager_refuses_is_refused(tmp_path, text):
    assert amtool(tmp_path, [text], {}) is None
    with pytest.raises(ValueError, match=r"\w"):
        parse(text)


@pytest.mark.parametrize("text", list(STRICTER))
def test_what_is_refused_on_purpose_is_accepted_there(tmp_path, text):
    """An entry that Alertmanager refuses too belongs to the list above."""
    with pytest.raises(ValueError, match=r"\w"):
        parse(text)
    assert amtool(tmp_path, [text], {}) is not None


@pytest.mark.parametrize("text", NEWER)
def test_a_name_of_newer_alertmanagers_is_read_as_they_read_it(tmp_path, text):
    (matcher,) = parse(text)
    assert matcher.matches({matcher.name: "x"})
    assert amtool(tmp_path, [text], {}) in (None, [])
