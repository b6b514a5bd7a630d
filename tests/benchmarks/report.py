"""Results as text, as JSON and as a plot."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from math import isclose
from pathlib import Path

from autograd.files import write_atomically
from autograd.optional import require
from tests.benchmarks.measure import Result
from tests.benchmarks.scaling import Point
from tests.benchmarks.workloads import Workload

OURS = "payback"
SHOWN = ("moons", "digits", "784-50-10")
"""The workloads of the plot."""

INK, ACCENT, GREY = "#1f2933", "#c2410c", "#94a3b8"


def table(workload: Workload, results: Sequence[Result], left_out: Sequence[str]) -> str:
    """A Markdown table, fastest first, with ratios to our fastest."""
    best = min(result.seconds for result in results if result.contender.startswith(OURS))
    lines = [
        f"### {workload.name}: one {workload.unit}, {'-'.join(map(str, workload.sizes))}, "
        f"{len(workload.X):,} rows in batches of {workload.batch_size}",
        "",
        f"| who | time per {workload.unit} | × our fastest | with setup, the first | losses |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for result in sorted(results, key=lambda result: result.seconds):
        name = f"**{result.contender}**" if result.contender.startswith(OURS) else result.contender
        lines.append(
            f"| {name} | {duration(result.seconds)} | {result.seconds / best:.2f} | "
            f"{duration(result.first)} | {agreement(result, results)} |"
        )
    if left_out:
        lines += ["", "Not there, or not working here, and left out: " + ", ".join(left_out) + "."]
    return "\n".join(lines)


def title(workload: Workload) -> str:
    """What a panel of the plot shows."""
    return f"{workload.name}: time per {workload.unit}"


def agreement(result: Result, results: Sequence[Result]) -> str:
    """Whether a contender computed what the first one did."""
    if result.note:
        return result.note
    pairs = list(zip(result.losses, results[0].losses, strict=False))
    return "the same" if all(isclose(a, b, rel_tol=1e-6) for a, b in pairs) else "OTHER"


def growth(title: str, head: str, points: Iterable[Point]) -> str:
    """A Markdown table of growth; columns that nobody measured are left out."""
    rows = list(points)
    lines = [f"### {title}", "", f"| {head} | value and gradient, per row |", "| ---: | ---: |"]
    if rows[0].instructions:
        lines[2] += " instructions | record | plan and first run | both per instruction |"
        lines[3] += " ---: | ---: | ---: | ---: |"
    if rows[0].megabytes:
        lines[2] += " memory of the process |"
        lines[3] += " ---: |"
    for row in rows:
        line = f"| {row.size:,} | {duration(row.seconds)} |"
        if row.instructions:
            each = (row.record + row.first) / row.instructions
            line += f" {row.instructions:,} | {duration(row.record)} | {duration(row.first)} |"
            line += f" {duration(each)} |"
        if row.megabytes:
            line += f" {row.megabytes:.0f} MB |"
        lines.append(line)
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """Three digits and a unit.

    >>> duration(0.00000823), duration(1.5)
    ('8.23 µs', '1.50 s')
    """
    units = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
    unit, size = next((u, s) for u, s in units.items() if seconds >= s or u == "ns")
    number = seconds / size
    digits = 2 if number < 10 else 1 if number < 100 else 0
    return f"{number:.{digits}f} {unit}"


def write(
    folder: Path, text: str, results: dict[str, list[Result]], growths: dict[str, list[Point]]
) -> None:
    """The tables, the numbers and the plot, side by side."""
    folder.mkdir(parents=True, exist_ok=True)
    data = {
        "contenders": {
            name: [_numbers(result) for result in each] for name, each in results.items()
        },
        "growth": {name: [asdict(point) for point in each] for name, each in growths.items()},
    }
    write_atomically(folder / "benchmarks.md", text + "\n")
    write_atomically(folder / "benchmarks.json", json.dumps(data, indent=1) + "\n")
    shown = {name: each for name, each in results.items() if name.split(":")[0] in SHOWN}
    if shown:
        plot(folder / "benchmarks.svg", shown)


def _numbers(result: Result) -> dict[str, object]:
    numbers = asdict(result)
    return numbers | {"losses": numbers["losses"][:3]}


def plot(path: Path, results: dict[str, list[Result]]) -> None:
    """A dot per contender on a logarithmic axis, one panel per workload."""
    require("matplotlib", extra="plot")
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter

    heights = [len(each) + 1 for each in results.values()]
    style = {"svg.hashsalt": "payback", "svg.fonttype": "path", "font.size": 9}
    with mpl.rc_context(style):
        figure = Figure(figsize=(8, 0.25 * sum(heights) + 0.5 * len(heights)), layout="constrained")
        panels = figure.subplots(len(results), 1, height_ratios=heights, squeeze=False)[:, 0]
        for panel, (name, each) in zip(panels, results.items(), strict=True):
            dots = sorted(each, key=lambda result: -result.seconds)
            names, seconds = [dot.contender for dot in dots], [dot.seconds for dot in dots]
            panel.scatter(seconds, names, zorder=2, s=30, c=[_color(who) for who in names])
            panel.set_xscale("log")
            panel.set_xlim(min(seconds) / 2, max(seconds) * 4)
            for who, second in zip(names, seconds, strict=True):
                near = (second, who)
                panel.annotate(duration(second), near, (6, -3), textcoords="offset points")
            panel.set_title(name, loc="left", fontweight="bold", color=INK)
            panel.spines[["top", "right", "left"]].set_visible(False)
            panel.tick_params(axis="y", length=0)
            panel.grid(axis="both", color="#e2e8f0", zorder=0)
            panel.xaxis.set_major_formatter(FuncFormatter(lambda second, _: _round(second)))
            panel.xaxis.set_minor_formatter(NullFormatter())
        figure.savefig(path, format="svg", metadata={"Date": None}, facecolor="white")


def _color(who: str) -> str:
    return ACCENT if who.startswith(OURS) else GREY


def _round(seconds: float) -> str:
    """A power of ten as the axis says it.

    >>> _round(0.001), _round(10.0)
    ('1 ms', '10 s')
    """
    units = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
    unit, size = next((u, s) for u, s in units.items() if seconds >= 0.999 * s or u == "ns")
    return f"{seconds / size:.0f} {unit}"
