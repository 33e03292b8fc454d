"""The colours of the pages: text has a contrast of 4.5 and lines one of 3, on every ground and in both schemes."""

import re

import pytest

from tests import ROOT

_STYLE = (ROOT / "trainers/report/templates/style.css").read_text(encoding="utf-8")
_SCHEMES = dict(zip(("light", "dark", "print"), re.findall(r":root \{(.*?)\}", _STYLE, flags=re.DOTALL), strict=True))


def colors_of(scheme):
    """The custom properties of a scheme, by name."""
    return dict(re.findall(r"--([\w-]+): ([^;]+);", _SCHEMES[scheme]))


def rgb(text):
    return [int(text[k : k + 2], 16) for k in (1, 3, 5)]


def contrast(one, other):
    """The contrast ratio of WCAG 2."""
    parts = [
        [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in color] for color in (one, other)
    ]
    low, high = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in parts)
    return (high + 0.05) / (low + 0.05)


def test_the_formula_gives_what_the_standard_says():
    assert contrast([0, 0, 0], [255, 255, 255]) == pytest.approx(21)


@pytest.mark.parametrize("scheme", _SCHEMES)
def test_contrast(scheme):
    colors = colors_of(scheme)
    for ground in ("paper", "card"):
        for name in ("ink", "soft", "accent"):
            assert contrast(rgb(colors[name]), rgb(colors[ground])) >= 4.5, (name, ground)
    assert contrast(rgb(colors["warn"]), rgb(colors["warn-paper"])) >= 4.5
    for number in range(8):
        assert contrast(rgb(colors[f"c{number}"]), rgb(colors["paper"])) >= 3, number
    share, shade = float(colors["shade-most"]), [int(value) for value in colors["shade"].split()]
    darkest = [share * a + (1 - share) * b for a, b in zip(shade, rgb(colors["paper"]), strict=True)]
    assert contrast(rgb(colors["ink"]), darkest) >= 4.5
