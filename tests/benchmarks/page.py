"""How many steps a second the page shows in headless Chromium: `python -m tests.benchmarks.page`.

A step is the press of a key, and everything until the browser has drawn the next frame.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, sync_playwright

import nn
from autograd import Value, trace

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]

PRESS = """async (steps) => {
    const section = document.querySelector(".payback");
    const frame = () => new Promise((done) => requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = done;
        port2.postMessage(0);
    }));
    await frame();
    const times = [];
    for (let i = 0; i < steps; i++) {
        const start = performance.now();
        section.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
        await frame();
        times.push(performance.now() - start);
    }
    return times;
}"""


def network(hidden: int) -> Value:
    """A network on one sample: its nodes are about `hidden` squared."""
    model = nn.MLP(2, [hidden, hidden, 1], activation="tanh", seed=1)
    return nn.squared_error([model([Value(0.5), Value(-1.0)])], [1.0])


def plain(nodes: int) -> Value:
    """Scalars without scopes, some used often."""
    x = [Value(0.1 * i, label=f"x{i}") for i in range(4)]
    while len(x) < nodes:
        x.append((x[-1] * x[-2]).tanh() if len(x) % 3 else x[-2] + x[-4])
    return x[-1] + x[-2]


def frames(tab: Page, path: Path, link: str, steps: int) -> list[float]:
    """The milliseconds of each of so many steps."""
    tab.goto("about:blank")
    tab.goto(path.as_uri() + link)
    return list(tab.evaluate(PRESS, steps))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    asked = parser.parse_args()
    graphs = {"network": trace(network(29)), "plain": trace(plain(700))}
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as folder:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        tab = browser.new_page(viewport={"width": 1440, "height": 900})
        for name, story in graphs.items():
            path = story.to_html(Path(folder, f"{name}.html"))
            seed = next(step.i for step in story.steps if step.kind == "seed")
            for what, link in {
                "forward": "#step=0&level=0&by=edge",
                "backward": f"#step={seed}&level=0&by=edge",
            }.items():
                times = frames(tab, path, link, asked.steps)
                print(
                    f"{name:8} {len(story.nodes):5,} nodes {what:9}"
                    f"{1000 * len(times) / sum(times):6.1f} steps a second, median "
                    f"{median(times):6.1f} ms, slowest {max(times):6.1f} ms"
                )
        browser.close()


if __name__ == "__main__":
    main()
