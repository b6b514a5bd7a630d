"""Results as text, as JSON and as a plot."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from math import isclose
from pathlib import Path

from autograd.extras import require
from autograd.files import write_atomically
from tests.benchmarks.measure import Result
from tests.benchmarks.scaling import Point
from tests.benchmarks.workloads import Workload

OURS = "payback"
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
        lines += ["", "Not installed, left out: " + ", ".join(left_out) + "."]
    return "\n".join(lines)


def title(workload: Workload) -> str:
    """What a panel of the plot shows."""
    return f"{workload.name}: time per {workload.unit}, logarithmic"


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
    if results:
        plot(folder / "benchmarks.svg", results)


def _numbers(result: Result) -> dict[str, object]:
    numbers = asdict(result)
    return numbers | {"losses": numbers["losses"][:3]}


def plot(path: Path, results: dict[str, list[Result]]) -> None:
    """Bars on a logarithmic scale, one panel per workload."""
    require("matplotlib", extra="plot")
    import matplotlib as mpl
    from matplotlib.figure import Figure

    heights = [len(each) for each in results.values()]
    style = {"svg.hashsalt": "payback", "svg.fonttype": "path", "font.size": 9}
    with mpl.rc_context(style):
        figure = Figure(
            figsize=(8, 0.27 * sum(heights) + 0.75 * len(heights)), layout="constrained"
        )
        panels = figure.subplots(len(results), 1, height_ratios=heights, squeeze=False)[:, 0]
        for panel, (name, each) in zip(panels, results.items(), strict=True):
            bars = sorted(each, key=lambda result: -result.seconds)
            names = [result.contender for result in bars]
            colors = [ACCENT if who.startswith(OURS) else GREY for who in names]
            panel.barh(names, [result.seconds for result in bars], color=colors, height=0.7)
            panel.set_xscale("log")
            panel.set_xlim(min(r.seconds for r in bars) / 2, max(r.seconds for r in bars) * 6)
            for k, result in enumerate(bars):
                panel.text(
                    result.seconds * 1.1, k, duration(result.seconds), va="center", color=INK
                )
            panel.set_title(name, loc="left", fontweight="bold", color=INK)
            panel.spines[:].set_visible(False)
            panel.tick_params(axis="y", length=0)
            panel.set_xticks([], minor=True)
            panel.tick_params(axis="x", labelbottom=False, length=0)
        figure.savefig(path, format="svg", metadata={"Date": None}, facecolor="white")
