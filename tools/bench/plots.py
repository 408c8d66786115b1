"""The pictures of docs/performance.md, readable on light and on dark; the same figures draw the same bytes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import quantiles
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from tools.bench.cold import Start
from tools.bench.report import FOLDER
from tools.bench.walk import MODELS, Walk
from tools.bench.warm import ITEMS, KINDS, Cost

_TEXT = "#767b83"
"""As far from white as from GitHub's dark."""

_OURS, _OTHER, _SECOND = "#1f83c7", "#9aa0a6", "#d55e00"
"""Blue and orange, which everyone can tell apart, on light and on dark."""

_STYLE = {
    "axes.edgecolor": _TEXT,
    "axes.labelcolor": _TEXT,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": _TEXT,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "font.size": 10,
    "svg.hashsalt": "custom-models",
    "text.color": _TEXT,
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
}


@contextmanager
def _figure(name: str, width: float, height: float) -> Iterator[Any]:
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        FOLDER.mkdir(exist_ok=True)
        figure.savefig(FOLDER / f"{name}.svg", transparent=True, metadata={"Date": None})


def cold(starts: Sequence[Start]) -> None:
    """Draw the starts as bars, boto3's being 1."""
    counted = all(start.instructions is not None for start in starts)
    values = [float(start.instructions or 0) if counted else start.usage.cpu for start in starts]
    with _figure("cold", 8, 3.2) as figure:
        axes = figure.add_subplot()
        _bars(axes, [start.name for start in starts], [value / values[0] for value in values])
        axes.set_xlabel(f"{'instructions' if counted else 'CPU time'} of a cold start, boto3 = 1")


def warm(costs: Sequence[Cost]) -> None:
    """Draw the requests as bars, the bare call of the same page being 1."""
    base, *others = costs
    with _figure("warm", 10, 3.2) as figure:
        panels = figure.subplots(1, len(ITEMS), sharey=True, sharex=True)
        for axes, kind in zip(panels, KINDS[: len(ITEMS)], strict=True):
            _bars(axes, [cost.name for cost in others], [cost.cpu[kind] / base.cpu[kind] for cost in others])
            axes.set_title(f"{kind.items:,} models")
        figure.supxlabel("CPU time of a warm request, boto3's bare call of the same page = 1", fontsize=10)


def _bars(axes: Any, names: Sequence[str], values: Sequence[float]) -> None:
    colours = [_OURS if name.startswith("this function") else _OTHER for name in names]
    axes.barh(names, values, color=colours, height=0.7)
    for row, value in enumerate(values):
        axes.text(1.03, row, f"{value:.2f}", transform=axes.get_yaxis_transform(), verticalalignment="center")
    axes.axvline(1, color=_TEXT, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def walk(walks: Sequence[Walk]) -> None:
    """Draw what the pages of the walks took, and the memory after them: medians and quartiles of each twentieth."""
    with _figure("walk", 8, 4.6) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True)
        for one, colour, alignment in zip(walks, (_SECOND, _OURS), ("bottom", "top"), strict=True):
            for axes, values in ((upper, [seconds * 1e3 for seconds in one.cpu]), (lower, one.memory)):
                places, low, middle, high = _twentieths(values)
                axes.fill_between(places, low, high, color=colour, alpha=0.25, linewidth=0)
                axes.plot(places, middle, color=colour, linewidth=1.6)
                axes.annotate(
                    f"{one.items:,} models a page",
                    (places[-1], middle[-1]),
                    xytext=(6, 0),
                    textcoords="offset points",
                    color=colour,
                    verticalalignment=alignment,
                )
        for axes, label in ((upper, "CPU of a page, ms"), (lower, "resident memory, MB")):
            axes.set_ylabel(label)
            axes.set_ylim(0, axes.get_ylim()[1] * 1.15)
        lower.set_xlabel("models listed so far")
        lower.set_xlim(0, MODELS * 1.25)
        lower.set_xticks(range(0, MODELS + 1, MODELS // 5))
        lower.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _twentieths(values: Sequence[float]) -> tuple[list[float], list[float], list[float], list[float]]:
    """Return where in the walk the middle of each twentieth is, and its quartiles."""
    size = len(values) // 20
    quartiles = [quantiles(values[start : start + size], n=4) for start in range(0, 20 * size, size)]
    low, middle, high = (list(row) for row in zip(*quartiles, strict=True))
    return [MODELS * (part + 0.5) / 20 for part in range(20)], low, middle, high
