"""The pictures of the README and of docs/: the report in light and dark, and MLflow's runs page.

``python reports/screenshots.py OUT NAME`` takes them of report NAME of the runs in OUT, into docs/pictures/; it needs
Debian's chromium and chromium-driver. ``make screenshots`` does so for the runs of ``make demo``.
"""

import re
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HERE / "tests"))

from browser import ABSENT, available, browser, wait_for  # noqa: E402

PICTURES = HERE / "docs" / "pictures"


def main(out: Path, name: str) -> None:
    """All pictures, or one sentence where there is no browser."""
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
    """MLflow's runs page behind the link that ``dta-bench ui`` prints."""
    command = [sys.executable, "-m", "dta_bench", "ui", "--out", str(out), "--port", "5077"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    link = re.search(r"http\S+", server.stderr.readline())
    assert link
    try:
        with browser(1700, 800) as driver:
            for attempt in range(60):
                try:
                    driver.get(link[0])
                    break
                except Exception:  # the server is not up yet
                    if attempt == 59:
                        raise
                    driver.implicitly_wait(1)
            wait_for(driver, "seed=")
            driver.save_screenshot(str(PICTURES / "mlflow-runs.png"))
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
