"""The pictures of docs/: the page of a report with 2, 6 and 25 methods, without a difference; MLflow's.

``python reports/screenshots.py WORK`` (``make screenshots``) makes small stores in WORK, or goes on with those that
are there, and takes the pictures into docs/pictures/; it needs Debian's chromium and chromium-driver. Words behind
WORK, such as ``page-25 mlflow``, take only the pictures whose names begin so. Pages of 2 methods, of segmentation and
of MLflow are of real runs of two epochs. The others are of drawn outcomes (screenshot_stores.py): these show what a
page looks like, and no result. The README's picture is taken anew if the runs of ``make comparison`` are there. Look
at them after a change of the page, or of MLflow's version.
"""

import base64
import io
import json
import re
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import screenshot_stores as stores
from headless_browser import ABSENT, available, browser, wait_for
from PIL import Image

from dta_bench.evaluation.scenes import CITYSCAPES
from dta_bench.report.html.charts.colours import ON_DARK, ON_LIGHT

HERE = Path(__file__).resolve().parents[1]
PICTURES = HERE / "docs" / "pictures"
PORT = 5077
DARK = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
VIEWS: dict[str, tuple[int, dict[str, Any]]] = {
    "1400": (1400, {}), "900": (900, {}), "420": (420, {}), "dark": (1400, DARK), "print": (794, {"media": "print"}),
}  # fmt: skip
"""View → the window's width, and what the page is to believe of its reader."""
OF_PAGES = {
    "six": ("1400", "900", "420", "dark", "print"), "two": ("1400", "420"), "25": ("1400", "420", "dark", "print"),
    "nothing": ("1400", "420", "dark"), "segmentation": ("1400", "420", "print"),
}  # fmt: skip
TALLEST, COLOURS, SETTLE = 5200, 128, 20
SMALL = ["--seeds", "2", "--epochs", "2", "--confirm", "0"]
SWEEPS = {
    "two": ["digits", "--method", "dta", "--points", "2", "--backbone", "conv3_tiny", *SMALL],
    "segmentation": ["streets_mini", "--method", "dta", "--points", "1", *SMALL],
}
"""Page → the real sweep that it is of."""


def main(work: Path, only: tuple[str, ...]) -> None:
    """Make the stores and take the pictures whose names begin like one of ``only``; say so if there is no browser."""
    if not available():
        raise SystemExit(ABSENT)
    PICTURES.mkdir(parents=True, exist_ok=True)
    pages = _pages(work)
    for name, views in OF_PAGES.items():
        for view in views:
            if f"page-{name}-{view}".startswith(only):
                _page(pages[name], f"page-{name}-{view}", view)
    compared = HERE / "reports" / "compare_digits" / "report.html"
    if compared.is_file() and "report-light".startswith(only):
        _page(compared, "report-light", "1400", tallest=1500)
    if any(word.startswith("mlflow") for word in only) or "mlflow".startswith(only):
        _mlflow_pages(work / "two", only)


def _pages(work: Path) -> dict[str, Path]:
    """The page of each store, made anew; runs that are there already are not made again."""
    drawn = {"six": (stores.SIX, 0.01), "25": (stores.twenty_five(), 0.01), "nothing": (stores.nothing(), 0.03)}
    pages = {name: stores.draw_store(work / name, rates, noise) for name, (rates, noise) in drawn.items()}
    for name, words in SWEEPS.items():
        command = [sys.executable, "-m", "dta_bench", "sweep", *words, "--out", str(work / name), "--quiet"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        pages[name] = work / name / "reports" / words[0] / "report.html"
    return pages


def _page(page: Path, picture: str, view: str, tallest: int = TALLEST) -> None:
    width, media = VIEWS[view]
    with browser(width, 1000) as driver:
        size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        driver.get(page.resolve().as_uri())
        wait_for(driver, "How this was made")
        high = min(tallest, driver.execute_script("return document.documentElement.scrollHeight"))
        clip = {"x": 0, "y": 0, "width": width, "height": high, "scale": 1 if width < 1000 else 0.7}
        _keep(driver, picture, captureBeyondViewport=True, clip=clip)


def _keep(driver: Any, picture: str, **how: Any) -> None:
    """Keep what the browser shows as docs/pictures/<picture>.png, in few colours so that it stays small."""
    shown = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", **how})
    image = Image.open(io.BytesIO(base64.b64decode(shown["data"]))).convert("RGB")
    _in_few_colours(image).save(PICTURES / f"{picture}.png", optimize=True)


def _in_few_colours(image: Image.Image) -> Image.Image:
    """The image in COLOURS colours, those of curves and label maps among them: rare ones would be exchanged else."""
    kept = [bytes.fromhex(colour[1:]) for palette in (ON_LIGHT, ON_DARK) for colour in palette.values()]
    kept += [bytes(colour) for colour in CITYSCAPES.values()]
    most_frequent = image.quantize(COLOURS - len(kept)).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*most_frequent[: 3 * (COLOURS - len(kept))], *b"".join(kept)])
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


def _mlflow_pages(out: Path, only: tuple[str, ...]) -> None:
    """Take pictures of MLflow's pages on a store, from the link that ``dta-bench ui`` prints."""
    command = [sys.executable, "-m", "dta_bench", "ui", "--out", str(out), "--port", str(PORT)]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    link = re.search(r"http\S+", server.stderr.readline())
    assert link
    try:
        _wait_for_port(PORT)
        for picture, (address, text) in _addresses(out, link[0]).items():
            if not f"mlflow-{picture}".startswith(only):
                continue
            with browser(1500, 900) as driver:
                driver.get(address)
                wait_for(driver, text)
                time.sleep(SETTLE)  # the parts of a page come in one after the other
                _keep(driver, f"mlflow-{picture}")
    finally:
        server.terminate()
        server.wait(300)


def _addresses(out: Path, link: str) -> dict[str, tuple[str, str]]:
    """Picture → its page's address, and a text that is there once the page is."""
    base, shown = link.partition("#")[0], "workflowType=machine_learning"
    of_experiment = re.search(r"experiments/(\w+)", link)
    assert of_experiment
    experiment = of_experiment[1]
    with sqlite3.connect(out / "mlflow.db") as database:
        runs, sweeps = (
            [str(row[0]) for row in database.execute("SELECT run_uuid FROM tags WHERE key = ?", [tag])]
            for tag in ("run_id", "sweep_id")
        )
    compared = f"runs={quote(json.dumps(runs[:4]))}&experiments={quote(json.dumps([experiment]))}"
    return {
        "experiments": (f"{base}#/experiments?{shown}", "digits"),
        "runs": (link, "seed="),
        "charts": (link.replace("?", "?compareRunsMode=CHART&"), "seed="),
        "models": (f"{base}#/experiments/{experiment}/models?{shown}", "Logged from"),
        "run": (f"{base}#/experiments/{experiment}/runs/{runs[0]}?{shown}", "About this run"),
        "sweep": (f"{base}#/experiments/{experiment}/runs/{sweeps[0]}?{shown}", "About this run"),
        "compare": (f"{base}#/compare-runs?{compared}&{shown}", "Comparing"),
    }


def _wait_for_port(port: int, seconds: float = 300) -> None:
    """Wait until something listens on a port of loopback."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.5)
    raise SystemExit(f"nothing listens on port {port} after {seconds:g} seconds")


if __name__ == "__main__":
    main(Path(sys.argv[1]), tuple(sys.argv[2:]) or ("",))
