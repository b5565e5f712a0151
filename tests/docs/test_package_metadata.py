"""What PyPI shows of the package: links that work without the checkout, people, licence, and one version."""

import re
import tomllib

import pytest
import yaml
from documentation import ROOT

import dta_bench

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
README = SETTINGS["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
BASE = SETTINGS["project"]["urls"]["Homepage"]


def shown() -> str:
    """The README as it is built into the package."""
    text = (ROOT / README["fragments"][0]["path"]).read_text()
    for one in README["substitutions"]:
        text = re.sub(one["pattern"], one["replacement"], text)
    return text


def test_every_link_of_the_built_readme_is_absolute_and_leads_to_a_file_of_the_repository() -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", shown())
    assert len(links) > 5
    raw = BASE.replace("github.com", "raw.githubusercontent.com")
    for link in links:
        assert link.startswith(("https://", "http://", "#")), link
        for start in (f"{BASE}/blob/main/", f"{raw}/main/"):
            if link.startswith(start):
                assert (ROOT / link.removeprefix(start).partition("#")[0]).exists(), link


def test_pictures_are_raw_files_and_pages_are_not() -> None:
    assert "](https://raw.githubusercontent.com/" in shown()
    assert not re.search(r"(?<!!)\[[^\]!]*\]\(https://raw\.", shown())


@pytest.mark.parametrize("key", ["authors", "classifiers", "urls", "keywords", "license", "requires-python"])
def test_the_package_says_who_what_and_where(key: str) -> None:
    assert SETTINGS["project"][key]


def test_the_citation_has_the_version_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert str(citation["version"]) == dta_bench.__version__
    assert citation["license"] == SETTINGS["project"]["license"]
    assert citation["repository-code"] == BASE


def test_make_says_what_it_installs_before_the_silent_minutes() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    recipes = [i + 1 for i, line in enumerate(lines) if line.startswith((".venv/.installed:", ".venv/.installed-dev:"))]
    assert len(recipes) == 2
    assert all(lines[i].startswith("\t@echo 'Installing ") and "minute" in lines[i] for i in recipes)
