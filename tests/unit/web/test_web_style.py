"""The style sheet: text is readable in both schemes (WCAG AA, 4.5:1)."""

import re
from pathlib import Path

import pytest

import sre_daemon.web

SHEET = Path(sre_daemon.web.__file__).parent / "static" / "style.css"
PAIRS = [
    *(("text", back) for back in ("back", "paper", "code", "grey-back")),
    *(("muted", back) for back in ("back", "paper")),
    *(("accent", back) for back in ("back", "paper", "blue-back")),
    *((colour, f"{colour}-back") for colour in ("red", "amber", "green")),
    *((colour, back) for colour in ("red", "green") for back in ("code", "paper")),
    ("back", "accent"),
]


def schemes():
    blocks = re.findall(r":root \{(.*?)\}", SHEET.read_text(), re.DOTALL)
    light, dark = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in blocks)
    return [light, light | dark]


def luminance(colour):
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1])
@pytest.mark.parametrize(("text", "back"), PAIRS)
def test_text_stands_out_from_its_background(scheme, text, back):
    colours = schemes()[scheme]
    assert contrast(colours[text], colours[back]) >= 4.5
