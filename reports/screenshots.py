"""The pictures of the README and of docs/: the report at three widths, dark and printed, and MLflow's pages.

``python reports/screenshots.py OUT NAME`` takes them of report NAME of the runs in OUT, into docs/pictures/; it needs
Debian's chromium and chromium-driver. ``make screenshots`` does so for the runs of ``make comparison``. Look at them
after a change of the page, or of MLflow's version.
"""

import base64
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HERE / "tests" / "helpers"))

from headless_browser import ABSENT, available, browser, wait_for  # noqa: E402

PICTURES = HERE / "docs" / "pictures"
PORT = 5077
OF_PAGE = {
    "report-light": (1400, {}), "report-900": (900, {}), "report-420": (420, {}),
    "report-dark": (1400, {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}),
    "report-print": (794, {"media": "print"}),
}  # fmt: skip
"""Picture → the window's width, and what the page is to believe of its reader."""
HEIGHT = 1500


def main(out: Path, name: str) -> None:
    """Take all pictures; end with one sentence if there is no browser."""
    if not available():
        raise SystemExit(ABSENT)
    PICTURES.mkdir(parents=True, exist_ok=True)
    page = (out / "reports" / name / "report.html").resolve()
    for picture, (width, media) in OF_PAGE.items():
        with browser(width, HEIGHT) as driver:
            size = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
            driver.get(page.as_uri())
            wait_for(driver, "How this was made")
            keep(driver, picture)
    mlflow_pages(out)


def keep(driver: Any, picture: str) -> None:
    """Keep what the browser shows as docs/pictures/<picture>.png."""
    shown = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    (PICTURES / f"{picture}.png").write_bytes(base64.b64decode(shown["data"]))


def mlflow_pages(out: Path) -> None:
    """Take pictures of MLflow's experiments, runs, charts and one run, from the link that ``dta-bench ui`` prints."""
    command = [sys.executable, "-m", "dta_bench", "ui", "--out", str(out), "--port", str(PORT)]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    link = re.search(r"http\S+", server.stderr.readline())
    assert link
    try:
        wait_for_port(PORT)
        with browser(1700, 900) as driver:
            driver.get(link[0])
            wait_for(driver, "seed=")
            keep(driver, "mlflow-runs")
            run = driver.execute_script(
                "return [...document.links].find((a) => /\\/runs\\/[0-9a-f]{32}$/.test(a.href)).href"
            )
            driver.get(link[0].replace("?", "?compareRunsMode=CHART&"))
            wait_for(driver, "loss")
            time.sleep(5)  # the charts come in one after the other
            keep(driver, "mlflow-charts")
            driver.get(run)
            wait_for(driver, "Details")
            keep(driver, "mlflow-run")
            driver.get(link[0].partition("#")[0] + "#/experiments")
            wait_for(driver, "Experiments")
            time.sleep(2)
            keep(driver, "mlflow-experiments")
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(300)


def wait_for_port(port: int, seconds: float = 300) -> None:
    """Wait until something listens on a port of loopback."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.5)
    raise SystemExit(f"nothing listens on port {port} after {seconds:g} seconds")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
