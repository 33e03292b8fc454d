"""Benchmarks as horizontal bars."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.harness.results import three_digits
from benchmarks.harness.timing import Row

_BASELINE, _OTHER = "#9a9a9a", "#2a6f97"  # what is compared with, and the rest
_LOGARITHMIC_FROM = 50  # a panel whose largest bar is so many times its smallest


def draw(results: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Draws a panel for each benchmark: medians as bars, 10th to 90th percentile as a line, baselines in grey."""
    counts = [len(result["rows"]) for result in results.values()]
    figure = Figure(figsize=(11, 0.34 * sum(counts) + 1.1 * len(counts)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(counts), 1, squeeze=False, gridspec_kw={"height_ratios": [n + 1 for n in counts]})
    for axes, (name, result) in zip(panels[:, 0], results.items(), strict=True):
        _panel(axes, result["rows"])
        axes.set_title(result.get("question", name), loc="left", fontsize=11, fontweight="bold")
    figure.savefig(path, dpi=110, format="png")


def _panel(axes: Any, rows: list[Row]) -> None:
    medians = [row["images_per_second"]["median"] for row in rows]
    lows = [row["images_per_second"]["p10"] for row in rows]
    highs = [row["images_per_second"]["p90"] for row in rows]
    colours = [_BASELINE if row["vs_baseline"] == 1.0 else _OTHER for row in rows]
    places = range(len(rows))
    axes.barh(places, medians, color=colours, height=0.62)
    axes.hlines(places, lows, highs, color="black", linewidth=1)
    logarithmic = max(medians) > _LOGARITHMIC_FROM * min(medians)
    if logarithmic:
        axes.set_xscale("log")
        axes.set_xlim(left=10 ** math.floor(math.log10(min(medians)) - 0.3))
    for place, median, high in zip(places, medians, highs, strict=True):
        axes.annotate(
            three_digits(median),
            (max(median, high), place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.set_yticks(places, [row["name"] for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel("images/s" + (" (logarithmic)" if logarithmic else ""), fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
