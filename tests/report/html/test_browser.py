"""Reports and MLflow's pages as a person sees them, in a real headless Chromium."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import headless_browser
import numpy as np
import pytest
from small_runs import spec_of
from stored_runs import finish

from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.report import command as reporting
from dta_bench.run.workspace import Workspace
from dta_bench.tracking import Tracker

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not headless_browser.available(), reason=headless_browser.ABSENT),
]
RUNS = 12


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A folder with a dozen finished runs of the fonts pair, and their report."""
    out = tmp_path_factory.mktemp("looked-at")
    workspace = Workspace(str(out / "data"), str(out), f"sqlite:///{out / 'mlflow.db'}")
    tracker = workspace.tracker()
    tracker.check()
    tracker.experiment(benchmark_of("fonts_digits"))
    for i, rate in enumerate(np.linspace(0.5, 0.9, RUNS - 2)):
        finish(tracker, spec_of("dta", seed=i % 2, lambda_2=0.01 * (i // 2)), float(rate))
    for seed in (0, 1):
        finish(tracker, spec_of("source_only", seed=seed), 0.45)
    reporting.report_runs("fonts_digits", "labels", workspace)
    return workspace


@pytest.fixture(scope="module")
def served(workspace: Workspace) -> Iterator[str]:
    """``dta-bench ui`` on a free port; the link that it prints."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "dta_bench", "ui", "--out", workspace.out, "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    link = re.search(r"http\S+", process.stderr.readline())
    assert link
    for _ in range(240):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.5)
    yield link[0]
    process.send_signal(signal.SIGINT)
    process.wait(60)


def test_the_printed_link_shows_the_runs_with_our_columns_best_first(served: str) -> None:
    with headless_browser.browser(width=1900) as driver:
        driver.get(served)
        said = headless_browser.wait_for(driver, "dta seed=1")
        for expected in ("validation/accuracy", "test/accuracy", "method", "backbone"):
            assert expected in said
        assert "Error" not in said
        assert headless_browser.errors(driver) == []


def test_ten_runs_can_be_compared_at_once(workspace: Workspace, served: str) -> None:
    tracker = Tracker(workspace.tracking_uri, Path(workspace.out))
    ids = [run.mlflow_run_id for run in tracker.runs("fonts_digits")][:10]
    experiment = tracker.experiments()["fonts_digits"]
    asked = f"runs={quote(json.dumps(ids))}&experiments={quote(json.dumps([experiment]))}"
    with headless_browser.browser(width=1900) as driver:
        driver.get(f"{served.partition('#')[0]}#/compare-runs?{asked}")
        assert "Comparing 10 Runs" in headless_browser.wait_for(driver, "Comparing 10 Runs")
        assert headless_browser.errors(driver) == []


def test_a_run_says_what_it_is_and_on_what_data(workspace: Workspace, served: str) -> None:
    tracker = Tracker(workspace.tracking_uri, Path(workspace.out))
    run = tracker.runs("fonts_digits")[0]
    with headless_browser.browser() as driver:
        driver.get(f"{served.partition('?')[0]}/{run.mlflow_run_id}")
        said = headless_browser.wait_for(driver, "labelled images of target train")
        for expected in ("dta on conv3_tiny", "fonts_digits source"):
            assert expected in said
        assert headless_browser.errors(driver) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_report_opens_without_a_network_and_without_an_error(workspace: Workspace, dark: bool) -> None:
    page = Path(workspace.out) / "reports" / "fonts_digits" / "report.html"
    with headless_browser.browser(dark=dark) as driver:
        driver.execute_cdp_cmd("Network.enable", {})
        driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["http://*", "https://*"]})
        driver.get(page.as_uri())
        said = headless_browser.wait_for(driver, "How this was made")
        assert "points vs. source-only" in said
        paper = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") is not dark
        wide = driver.execute_script("return document.documentElement.scrollWidth > innerWidth")
        assert not wide
        assert headless_browser.errors(driver) == []


def test_the_ranking_sorts_and_filters(workspace: Workspace) -> None:
    page = Path(workspace.out) / "reports" / "fonts_digits" / "report.html"
    with headless_browser.browser() as driver:
        driver.get(page.as_uri())
        headless_browser.wait_for(driver, "How this was made")
        rows = "[...document.querySelectorAll('#ranking tbody tr')].filter((row) => !row.hidden)"
        head = "document.querySelectorAll('#ranking th')[2]"
        driver.execute_script(f"{head}.click()")
        scores = driver.execute_script(f"return {rows}.map((row) => Number(row.cells[2].textContent))")
        assert scores == sorted(scores, reverse=True)
        driver.execute_script(f"{head}.click()")
        assert driver.execute_script(f"return {rows}.map((row) => Number(row.cells[2].textContent))") == scores[::-1]
        word = "const box = document.querySelector('#ranking input'); box.value = 'source_only';"
        driver.execute_script(f"{word} box.dispatchEvent(new Event('input'))")
        found = driver.execute_script(f"return {rows}.map((row) => row.cells[1].textContent)")
        assert found
        assert all("source_only" in name for name in found)
        small = "[...document.querySelectorAll('svg text')].map((t) => t.getBoundingClientRect().height)"
        assert min(driver.execute_script(f"return {small}.filter((height) => height > 0)")) >= 11
        assert headless_browser.errors(driver) == []


def test_the_report_fits_a_telephone(workspace: Workspace) -> None:
    page = Path(workspace.out) / "reports" / "fonts_digits" / "report.html"
    with headless_browser.browser() as driver:
        size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get(page.as_uri())
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 390
