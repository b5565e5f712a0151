"""An option that a command would ignore is refused in one sentence."""

from pathlib import Path

import pytest
from command_line import dta_bench, refusal, refused

SERVER = "--tracking-uri http://127.0.0.1:9"


@pytest.mark.parametrize(("typed", "said"), [
    ("report --paper table1 --select all", "--select would have no effect with --paper"),
    ("sweep visda --price 2.5", "--price would have no effect without --dry-run"),
    ("sweep visda --gpus 2", "--gpus would have no effect without --dry-run"),
    ("sweep visda --images-per-second 90", "--images-per-second would have no effect without --dry-run"),
    ("sweep visda --price 2 --images-per-second 90", "--images-per-second and --price would have no effect"),
    ("sweep visda --dry-run --wait 5", "--wait would have no effect without --nodes"),
    ("prepare digits --check --mirror http://mirror", "--mirror would have no effect with --check"),
    ("prepare digits --mirror http://mirror", "--mirror would have no effect on digits"),
    ("prepare gta5_cityscapes --mirror http://mirror", "of which nothing is downloaded"),
    ("replay grid_fonts_digits --tracking-uri sqlite:///a.db", "--tracking-uri would have no effect without --keep"),
    ("replay grid_fonts_digits --keep a --table b", "--table would have no effect with --keep"),
    ("replay grid_fonts_digits --keep a --share 0.3", "--share would have no effect with --keep"),
    ("replay grid_fonts_digits --keep a --repetitions 3", "--repetitions would have no effect with --keep"),
    ("check backbone conv3_fc2 --root data", "--root would have no effect on a check of a backbone"),
    ("sweep visda --dry-run --method dta --training strong_view=[cutout]", "strong_view is for methods with a strong"),
    ("sweep digits --dry-run --method fixmatch --training strong_view=[randaugment2]", "changes colours of 0 to 255"),
    ("sweep visda --dry-run --training noise=counted", "noise counted says how the noise of an augmentation is made"),
    (f"ui {SERVER} --port 5001", "--port would have no effect on the server"),
    (f"ui {SERVER} --host 0.0.0.0", "--host would have no effect on the server"),
])  # fmt: skip
def test_it_is_named_with_the_reason(typed: str, said: str) -> None:
    assert said in refusal(typed)


@pytest.mark.parametrize(("typed", "said"), [
    ("train digits --method all", "train runs one method"),
    ("train digits --epochs 2 --training epochs=3", "--epochs and --training epochs=... set the same field"),
    ("sweep digits --epochs 2 --training epochs=3", "--epochs and --training epochs=... set the same field"),
    ("sweep digits --method all --method target_only", "--method all stands for every method that may run"),
    ("profile digits --method all --method mcd", "--method all stands for every method that may run"),
])  # fmt: skip
def test_one_that_would_lose_against_another_is_refused(typed: str, said: str) -> None:
    assert said in refusal(typed)


@pytest.mark.parametrize(("typed", "said"), [
    ("train digits --seed 1000", "--seed 1000 is for confirmation runs"),
    ("sweep digits --dry-run --seeds 1001", "--seeds 1001 reaches the seeds from 1000 on"),
])  # fmt: skip
def test_a_seed_of_confirmation_runs_is_refused(typed: str, said: str) -> None:
    assert said in refusal(typed)


def test_a_confirmation_run_is_trained_again_by_its_identity_alone() -> None:
    said = refusal("train digits --seed 1000 --repeats 0123456789ab")
    assert "these options make the run " in said
    assert "--repeats asks for 0123456789ab; dta-bench runs 0123456789ab prints the command" in said


def test_a_dry_run_checks_what_the_sweep_would_be_told() -> None:
    assert "--gpus-per-run half" in refusal("sweep visda --dry-run --gpus-per-run half")


def test_replay_reads_no_data_and_has_no_root() -> None:
    assert "No such option: --root" in refusal("replay grid_fonts_digits --root data")


def test_what_the_environment_sets_for_every_command_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DTA_BENCH_ROOT", "data")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///a.db")
    assert "no paper table named" in refusal("report --paper table9")
    assert "there is no backbone named 'nowhere'" in refusal("check backbone nowhere")
    assert "nowhere" in refusal("replay nowhere")


def test_the_status_is_2_and_nothing_is_written(tmp_path: Path) -> None:
    said = refused(dta_bench("report", "--paper", "table1", "--select", "all", cwd=tmp_path))
    assert said == "dta-bench: --select would have no effect with --paper; leave it out\n"
    assert list(tmp_path.iterdir()) == []
