"""Archives on the hub: published to a server that speaks its protocol, and merged from there; never tried online."""

import shutil
from pathlib import Path

import pytest
from command_line import dta_bench, refusal, refused
from local_hub import local_hub

from dta_bench.report.archive.hub import repository_of
from dta_bench.report.archive.manifest import MANIFEST, RUNS

TOKEN = "hf_" + "a" * 34


@pytest.mark.parametrize("name", ["hf:results", "hf:me/results/more", "hf:me/", "hf:https://hf.co/me/results"])
def test_a_name_that_is_no_data_set_is_refused(name: str) -> None:
    assert "names no data set of the hub; allowed: hf:USER/NAME" in refusal(f"merge {name}")


def test_a_name_stands_for_its_data_set() -> None:
    assert repository_of("hf:some-lab/dta.results_2") == "some-lab/dta.results_2"


def text_of(folder: Path) -> bytes:
    """Every byte in a folder."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.slow  # three commands, each in a process of its own, as the hub's client reads its address once
def test_a_published_archive_comes_back_from_the_hub_and_the_token_is_nowhere(
    finished_store: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished_store, tmp_path / "ours")
    publish = ("publish", "fonts_digits", "--to", "hf:me/results", "--by", "lab A", "--out", str(tmp_path / "ours"))
    with local_hub(TOKEN) as hub:
        env = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_DISABLE_XET": "1"}
        said = refused(dta_bench(*publish, cwd=tmp_path, **env, HF_TOKEN="hf_" + "b" * 34))
        assert "hf:me/results was not published" in said
        assert "b" * 34 not in said

        published = dta_bench(*publish, cwd=tmp_path, **env, HF_TOKEN=TOKEN)
        assert published.returncode == 0, published.stderr
        assert f"{hub.url}/datasets/me/results/commit/" in published.stdout
        assert set(hub.files["me/results"]) == {MANIFEST, RUNS, "README.md"}
        assert b"license: cc-by-4.0" in hub.files["me/results"]["README.md"]

        merged = dta_bench("merge", "hf:me/results", "--out", str(tmp_path / "theirs"), cwd=tmp_path, **env)
        assert merged.stdout.startswith("added: 2 runs of lab A\n"), merged.stderr
    printed = published.stdout + published.stderr + merged.stdout + merged.stderr + " ".join(hub.requests)
    kept = b"".join(hub.files["me/results"].values()) + text_of(tmp_path / "ours") + text_of(tmp_path / "theirs")
    assert TOKEN not in printed
    assert TOKEN.encode() not in kept
