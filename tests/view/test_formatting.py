"""How values read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from discovery.view import formatting as fmt

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("mebibytes", "shown"),
    [
        (None, "–"),  # noqa: RUF001
        (float("nan"), "–"),  # noqa: RUF001
        (0, "0.0 MiB"),
        (0.01, "< 0.1 MiB"),
        (3.2, "3.2 MiB"),
        (438.2, "438 MiB"),
        (2048, "2.0 GiB"),
        (1024 * 1024 * 1.5, "1.5 TiB"),
        (1024**3 * 2000, "2,000.0 PiB"),
    ],
)
def test_size_has_the_unit_that_fits(mebibytes: float | None, shown: str) -> None:
    """A size reads in MiB to PiB; an unknown one is a dash, and nothing known reads as zero."""
    assert fmt.size(mebibytes) == shown


def test_size_cut_short_says_at_least() -> None:
    """A size whose measuring was cut short is marked as a lower bound."""
    assert fmt.size(2048, complete=False) == "≥ 2.0 GiB"


@pytest.mark.parametrize(
    ("past", "shown"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(seconds=40), "40 s ago"),
        (timedelta(minutes=5), "5 min ago"),
        (timedelta(hours=30), "30 h ago"),
        (timedelta(days=12), "12 d ago"),
        (timedelta(days=90), "2025-12-02"),
    ],
)
def test_times_are_relative_until_they_are_far(past: timedelta, shown: str) -> None:
    """Recent times count back from now; far ones are dates."""
    assert fmt.ago(NOW - past, NOW) == shown


def test_an_unknown_time_is_a_dash() -> None:
    """What never happened has neither a relative nor an exact time."""
    texts = (fmt.ago(None, NOW), fmt.exact(None), fmt.when(None, NOW))
    assert texts == (fmt.DASH,) * 3


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(0, 0, "–"), (1, 1000, "< 1%"), (999, 1000, "> 99%"), (3, 4, "75%"), (4, 4, "100%")],  # noqa: RUF001
)
def test_a_share_is_never_rounded_to_all_or_nothing(part: int, whole: int, shown: str) -> None:
    """100% and 0% mean exactly that."""
    assert fmt.share(part, whole) == shown


def test_chart_labels_show_html_as_text() -> None:
    """Plotly interprets tags in labels: a host's text must not contain any."""
    assert fmt.chart_safe("<b>x</b> & y") == "&lt;b&gt;x&lt;/b&gt; &amp; y"


def test_chart_labels_are_cut_before_they_are_escaped() -> None:
    """A cut label never ends within an escape."""
    assert fmt.chart_safe("a<<<<<<", 4) == "a&lt;&lt;…"


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", "**b**", "$x$", ":red[x]", "# x"])
def test_markdown_is_escaped(hostile: str) -> None:
    """Every character that Markdown could take for markup is preceded by a backslash."""
    shown = fmt.markdown_safe(hostile)
    assert shown.replace("\\", "") == hostile
    assert all(
        shown[place - 1] == "\\"
        for place, mark in enumerate(shown)
        if not mark.isalnum() and mark not in "\\ "
    )


def test_an_address_becomes_code_not_a_link() -> None:
    """Markdown makes links of bare addresses even when they are escaped; not so in code."""
    assert fmt.markdown_safe("see http://evil.example `x`") == "`` see http://evil.example `x` ``"


def test_control_characters_do_not_reach_a_page() -> None:
    """Line breaks, terminal escapes and bidirectional overrides are removed from shown text."""
    for write in (fmt.markdown_safe, fmt.chart_safe):
        assert write("a\nb\x1b[31mc\u202ed") == "a bcd"


def test_a_time_to_come_is_exact() -> None:
    """When a gone database will be removed is a date; a clock that is a little ahead is now."""
    assert fmt.when(NOW + timedelta(days=70), NOW) == "2026-05-11 12:00:00 UTC"
    assert fmt.when(NOW + timedelta(seconds=2), NOW).startswith("just now (")


@pytest.mark.parametrize(("count", "shown"), [(0, "0 hosts"), (1, "1 host"), (1200, "1,200 hosts")])
def test_a_noun_agrees_with_its_number(count: int, shown: str) -> None:
    """One is singular."""
    assert fmt.plural(count, "host") == shown
