"""The documentation as a site: every page is in its menu, and it is built strictly and without a network."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from documentation import ROOT

SETTINGS = yaml.safe_load((ROOT / "mkdocs.yml").read_text())


def pages(nav: Any) -> list[str]:
    """The pages of a menu, at any depth."""
    if isinstance(nav, str):
        return [nav]
    return [page for part in (nav.values() if isinstance(nav, dict) else nav) for page in pages(part)]


def test_the_menu_has_every_page_once() -> None:
    made = {"api.md"}  # by make api, where a reader wants it
    assert sorted(pages(SETTINGS["nav"])) == sorted({path.name for path in (ROOT / "docs").glob("*.md")} - made)


def test_the_readme_is_short_and_has_the_commands_of_the_first_minute() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.split()) <= 900
    assert text.index("](docs/pictures/") < text.index("## ")
    assert text.count("\ndta-bench ") == 6


@pytest.mark.slow
def test_the_site_is_built_strictly_and_asks_nothing_of_the_network(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for page in tmp_path.rglob("*.html"):
        text = page.read_text()
        assert 'rel="stylesheet" href="http' not in text
        assert '<script src="http' not in text
    assert 'id="dta_bench.nn.learner.Learner"' in (tmp_path / "reference" / "index.html").read_text()
