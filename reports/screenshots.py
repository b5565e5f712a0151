"""The pictures of the README and of docs/: the report in light and dark, and MLflow's runs page.

``python reports/screenshots.py OUT NAME`` takes them of report NAME of the runs in OUT, into docs/pictures/; it needs
Debian's chromium and chromium-driver. ``make screenshots`` does so for the runs of ``make demo``.
"""

import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HERE / "tests" / "helpers"))

from headless_browser import ABSENT, available, browser, wait_for  # noqa: E402

PICTURES = HERE / "docs" / "pictures"


def main(out: Path, name: str) -> None:
    """Take all pictures; end with one sentence if there is no browser."""
    if not available():
        raise SystemExit(ABSENT)
    PICTURES.mkdir(parents=True, exist_ok=True)
    page = (out / "reports" / name / "report.html").resolve()
    for dark in (False, True):
        with browser(1120, 1000, dark) as driver:
            driver.get(page.as_uri())
            wait_for(driver, "How this was made")
            driver.save_screenshot(str(PICTURES / f"report-{'dark' if dark else 'light'}.png"))
    runs_page(out)


def runs_page(out: Path) -> None:
    """Take a picture of MLflow's runs page at the link that ``dta-bench ui`` prints."""
    command = [sys.executable, "-m", "dta_bench", "ui", "--out", str(out), "--port", "5077"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    link = re.search(r"http\S+", server.stderr.readline())
    assert link
    try:
        wait_for_port(5077)
        with browser(1700, 800) as driver:
            driver.get(link[0])
            wait_for(driver, "seed=")
            driver.save_screenshot(str(PICTURES / "mlflow-runs.png"))
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)


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
