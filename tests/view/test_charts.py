"""Charts: colours that everyone can tell apart, text that cannot become markup."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from discovery.model import ENGINE_LABELS
from discovery.view import charts
from discovery.view.charts import Bar

Vector = npt.NDArray[np.float64]

# Machado, Oliveira and Fernandes (2009), severity 1.0; linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
BACKGROUNDS = ("#ffffff", "#12161c")


def linear(colour: str) -> Vector:
    """sRGB -> linear RGB."""
    value = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb: Vector) -> Vector:
    """Linear RGB -> CIE L*a*b*."""
    x, y, z = (_TO_XYZ @ np.clip(rgb, 0, 1)) / (_TO_XYZ @ np.ones(3))
    fx, fy, fz = (np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return np.array([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)])


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio."""
    lights = sorted(float(_TO_XYZ[1] @ linear(colour)) for colour in (one, other))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def test_every_engine_has_a_colour_of_its_own() -> None:
    """An engine that has a name has a colour, and no two have the same."""
    assert set(charts.ENGINE_COLOURS) == set(ENGINE_LABELS)
    assert len(set(charts.ENGINE_COLOURS.values())) == len(ENGINE_LABELS)


@pytest.mark.parametrize("vision", VISION)
def test_engines_can_be_told_apart(vision: str) -> None:
    """Any two engines differ clearly for the three kinds of colour blindness too."""
    for one, other in combinations(charts.ENGINE_COLOURS.values(), 2):
        seen = [lab(VISION[vision] @ linear(colour)) for colour in (one, other)]
        assert np.linalg.norm(seen[0] - seen[1]) > 10, (one, other)


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_bars_stand_out_on_both_backgrounds(background: str) -> None:
    """Bars have about the 3:1 contrast that WCAG asks of graphics, light and dark."""
    for colour in (*charts.ENGINE_COLOURS.values(), *charts.STATE_COLOURS.values()):
        assert contrast(colour, background) > 2.7, colour


def test_no_engine_looks_like_a_state() -> None:
    """Green, amber and red mean state: no engine has a colour near them."""
    for engine, colour in charts.ENGINE_COLOURS.items():
        for state in ("good", "warning", "bad"):
            distance = np.linalg.norm(
                lab(linear(colour)) - lab(linear(charts.STATE_COLOURS[state]))
            )
            assert distance > 30, (engine, state)


def test_a_bar_shows_its_number_and_carries_what_it_picks() -> None:
    """Each bar is labelled with its value, and a click on it hands back its filter value."""
    figure = charts.bars([Bar("MySQL", 12430, "#2f6fd0", "mysql"), Bar("x", 1, "#2f6fd0", "x")])
    (trace,) = figure.data
    assert list(trace.text) == ["12,430", "1"]
    assert [list(row) for row in trace.customdata] == [["mysql"], ["x"]]


def test_hostile_labels_stay_text() -> None:
    """Neither labels nor hover texts of a bar contain a tag that a host supplied."""
    hostile = '<a href="javascript:alert(1)">x</a>'
    figure = charts.bars([Bar(hostile, 1, "#2f6fd0", hostile, note=hostile)])
    shown = [*figure.layout.yaxis.ticktext, *figure.data[0].hovertext]
    assert not any("<a" in text for text in shown)


def test_no_rows_make_an_empty_chart() -> None:
    """A chart of nothing is drawn without failing."""
    assert charts.bars([]).data[0].x == ()
