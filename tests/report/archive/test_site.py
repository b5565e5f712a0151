"""The static leaderboard: every run of the archives once, each with its spec and the command that repeats it."""

import json
import re
import shlex
import shutil
from pathlib import Path

import headless_browser
import pytest
from small_runs import spec_of
from stored_runs import finish

from dta_bench.cli.arguments import options_of
from dta_bench.errors import UserError
from dta_bench.report.archive.manifest import MANIFEST
from dta_bench.report.archive.merge import read_rows
from dta_bench.report.archive.site import find_archives, write_site
from dta_bench.report.archive.write import write_archive
from dta_bench.spec.seeds import FIRST_CONFIRMATION_SEED
from dta_bench.spec.train_command import train_command
from dta_bench.tracking import Tracker
from dta_bench.tracking.store_file import sqlite_uri


@pytest.fixture
def archive(finished_store: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished_store, tmp_path / "store")
    tracker = Tracker(sqlite_uri(tmp_path / "store/mlflow.db"), tmp_path / "store")
    write_archive(tracker, ["fonts_digits"], tmp_path / "site/archive", "lab <A>", "CC-BY-4.0")
    return tmp_path / "site/archive"


def test_the_page_needs_no_network_and_has_every_run_with_its_command(archive: Path) -> None:
    folder = archive.parent
    assert write_site(find_archives(folder), folder) == 2
    page = (folder / "index.html").read_text()
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", page)
    assert "lab &lt;A&gt;" in page
    assert "lab <A>" not in page
    for run in read_rows(archive):
        assert run.spec.id in page
        assert run.spec.method in page
        assert f"--seed {run.spec.seed}" in page
    anchors = re.findall(r'<tbody id="(row-\w+)"', page)
    assert len(set(anchors)) == 2
    assert all(f'href="#{anchor}"' in page for anchor in anchors)


def test_a_run_that_two_archives_hold_is_counted_once(archive: Path) -> None:
    shutil.copytree(archive, archive.parent / "again")
    assert write_site(find_archives(archive.parent), archive.parent) == 2
    assert "2 configurations of 4 runs" in (archive.parent / "index.html").read_text()


def test_fresh_seeds_stand_above_a_higher_score_on_the_seeds_that_chose_it(
    finished_store: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished_store, tmp_path / "store")
    tracker = Tracker(sqlite_uri(tmp_path / "store/mlflow.db"), tmp_path / "store")
    finish(tracker, spec_of("mcc", FIRST_CONFIRMATION_SEED), 0.05)
    write_archive(tracker, ["fonts_digits"], tmp_path / "archive", "lab", "CC-BY-4.0")
    write_site([tmp_path / "archive"], tmp_path)
    cells = r'<tbody id="row[^>]*>\s*<tr><td>[^<]*</td><td>(\w+)</td><td class="number">([\d.]+)'
    rows = re.findall(cells, (tmp_path / "index.html").read_text())
    assert rows[0][0] == "mcc"
    assert float(rows[0][1]) < min(float(score) for _, score in rows[1:])


def test_a_folder_without_an_archive_is_refused_and_so_is_a_damaged_one(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no archive in"):
        write_site([], tmp_path / "nowhere")
    (archive / MANIFEST).write_text(json.dumps({"schema_version": 99}))
    with pytest.raises(UserError, match="is of schema version 99; this version of dta-bench reads 1"):
        write_site(find_archives(archive.parent), archive.parent)


def test_the_command_of_a_suites_run_makes_this_very_run_again() -> None:
    from dta_bench.cli.arguments import plan_of
    from dta_bench.plugins import composed

    options = options_of(backbone=["conv3_fc2"], points=1, seeds=1, epochs=3)
    run = plan_of("digits_suite.fonts-to-optdigits", options).runs[0]
    words = shlex.split(train_command(run, "classification"))
    assert words[:3] == ["dta-bench", "train", "any_pair"]
    stated = dict(zip(words[3::2], words[4::2], strict=True))
    assert composed(stated["--benchmark"]) == run.benchmark
    training = [v for k, v in zip(words[3::2], words[4::2], strict=True) if k == "--training"]
    told = options_of(backbone=["conv3_fc2"], training=training, epochs=int(stated["--epochs"]))
    again = plan_of("any_pair", told, stated["--benchmark"])
    assert again.training == run.training


@pytest.mark.slow  # starts a browser
@pytest.mark.skipif(not headless_browser.available(), reason=headless_browser.ABSENT)
def test_in_a_browser_the_table_sorts_and_filters(archive: Path) -> None:
    from selenium.webdriver.common.by import By

    write_site([archive], archive.parent)
    with headless_browser.browser() as driver:
        driver.get((archive.parent / "index.html").as_uri())
        button = driver.find_elements(By.CSS_SELECTOR, "#board th button")[2]

        def scores() -> list[float]:
            return [float(c.text) for c in driver.find_elements(By.CSS_SELECTOR, "#board tbody td:nth-child(3)")]

        button.click()
        assert scores() == sorted(scores(), reverse=True)
        button.click()
        assert scores() == sorted(scores())
        driver.find_element(By.ID, "filter").send_keys("source_only")
        assert driver.find_element(By.ID, "shown").text == "1 of 2 rows"
        assert headless_browser.errors(driver) == []
