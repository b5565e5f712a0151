"""The commands that go on from where a command has ended, each with what it is for."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence

MOST_DIFFERENCES = 3
"""Settings that an ending names; dta-bench report names more."""
SHORT = "; no table has its one epoch beside the longer runs of a sweep"

WITHOUT_DRY_RUN = "the same command without --dry-run  # runs them"


def get_data(name: str, places: str) -> list[str]:
    """After a dry run whose data are not there; ``name`` is of the benchmark or its suite."""
    return [
        f"dta-bench prepare {name}{places}  # gets its data, or says where to put them",
        "the same command without --dry-run  # then runs them",
    ]


def report_of(name: str, places: str) -> str:
    """The report of a finished sweep, or of a suite."""
    return f"dta-bench report {name}{places}  # what they show together"


def after_list(catalogue: Mapping[str, Collection[Mapping[str, str]]]) -> list[str]:
    """What can be done with the first plug-in of a list; of a list of all kinds, with the first benchmark."""
    kind, entries = next(((kind, entries) for kind, entries in catalogue.items() if entries), ("", ()))
    if not entries:
        return []
    name = next(iter(entries))["name"]
    return {
        "benchmarks": [f"dta-bench prepare {name}  # its data", _dry_run(name)],
        "suites": [f"dta-bench prepare {name}  # its data", _dry_run(name)],
        "backbones": [f"dta-bench check backbone {name}  # that it can be built and trained"],
        "methods": [
            f"dta-bench check method {name}  # that it trains",
            _dry_run(f"digits --method {name}"),
        ],
        "search_spaces": [_dry_run(name)],
        "rules": ["dta-bench report fonts_digits --select all  # what each of them chooses among the same runs"],
        "recipes": ["dta-bench report --recipes  # what they print, and what runs of ours give"],
    }[kind]


def _dry_run(name: str, places: str = "") -> str:
    return f"dta-bench sweep {name}{places} --dry-run  # its runs, and what they would cost"


def after_prepare(name: str, problems: bool, places: str) -> list[str]:
    """After data have been verified."""
    if problems:
        return [f"dta-bench prepare {name}{places} --check  # again, once that is mended"]
    return [_dry_run(name, places)]


def after_profile(name: str, backbone: str, rate: float, instead: str) -> list[str]:
    """After steps have been timed.

    Args:
        rate: source images a second of source_only.
        instead: the command that times the steps of a sweep, where these had another batch or image size; else empty.
    """
    if instead:
        return [f"{instead}  # the batch and image size of a sweep: their rate makes an estimate"]
    options = f"--backbone {backbone} --images-per-second {rate:.4g}"
    return [f"dta-bench sweep {name} {options} --dry-run  # what a sweep would cost at the rate of source_only"]


def after_check(kind: str, name: str, fails: bool, places: str) -> list[str]:
    """After a plug-in has been held to its contract."""
    if fails:
        return [f"dta-bench check {kind} {shlex.quote(name)}{places}  # again, once that is mended"]
    return {
        "method": [f"dta-bench train digits --method {name} --epochs 1  # a first run{SHORT}"],
        "backbone": [f"dta-bench train digits --backbone {name} --epochs 1  # if digits are its task{SHORT}"],
        "benchmark": [f"dta-bench sweep {name}{places} --dry-run  # what a sweep would run on it"],
        "search-space": [_dry_run(name)],
        "cluster": [f"ray up {shlex.quote(name)}  # starts the cluster"],
    }[kind]


def after_train(run_id: str, benchmark: str, differs: Sequence[str], predict_to: str, places: str) -> list[str]:
    """After a run has been trained.

    Args:
        differs: what keeps it out of the table of its benchmark's report; empty: it is in it.
        predict_to: where its network's predictions would go; empty: it kept none.
    """
    return [
        f"dta-bench runs {run_id}{places}  # all that is known of this run",
        f"dta-bench report {benchmark}{places}  # "
        + (f"without this run, which has {_some(differs)}" if differs else "the table that it is in"),
        *([f"dta-bench predict {run_id} FOLDER --to {predict_to}{places}  # of images of yours"] if predict_to else []),
    ]


def after_sweep(name: str, benchmark: str, differs: Sequence[str], places: str) -> list[str]:
    """After a sweep of that name; ``differs``: what keeps its runs out of the table of its report."""
    page = f"without this sweep, whose runs have {_some(differs)}" if differs else None
    return [
        f"dta-bench report {name}{places} --open  # {page or 'this page again, with what was run since'}",
        f"dta-bench runs {benchmark}{places}  # the runs and their scores",
        f"dta-bench ui{places}  # the same in MLflow",
    ]


def _some(differs: Sequence[str]) -> str:
    return ", ".join([*differs[:MOST_DIFFERENCES], *["..."] * (len(differs) > MOST_DIFFERENCES)])


def after_publish(address: str, to: str) -> list[str]:
    """After an archive has been written; ``to`` is where it was asked to go."""
    archive = shlex.quote(to if to.startswith("hf:") else address)
    return [
        f"dta-bench merge {archive} --out OTHER  # adds its runs to another store",
        f"dta-bench site SITE {archive}  # a leaderboard of this and other archives",
    ]


def after_merge(benchmarks: Collection[str], places: str) -> list[str]:
    """After archives have been added to a store that has runs of ``benchmarks``."""
    reports = [f"dta-bench report {name}{places}  # all its runs, whoever made them" for name in list(benchmarks)[:3]]
    return reports or [f"dta-bench list benchmarks{places}"]


def after_site(folder: str) -> list[str]:
    """After a leaderboard has been written."""
    return [f"dta-bench site {shlex.quote(folder)} ARCHIVE...  # again, with archives that have come"]


def after_predict(run_id: str, labelled: bool, places: str) -> list[str]:
    """After images have been predicted by a run; ``labelled``: their true labels were given."""
    truth = [] if labelled else ["the same command with --truth FILE  # how good these predictions are"]
    return [*truth, f"dta-bench export {run_id} --to onnx{places}  # the network for other programs"]


def after_export(run_id: str, kind: str, path: str, places: str) -> list[str]:
    """After a network has been written for other programs."""
    if kind == "mlflow":
        served = f"mlflow models predict --env-manager local -m {shlex.quote(path)} -i paths.csv -t csv"
        return [f"{served}  # of a table with the column path"]
    network = shlex.quote(path) if kind == "safetensors" else run_id
    other = "" if kind == "safetensors" else places
    return [f"dta-bench predict {network} IMAGES --to predictions.csv{other}  # the same network here"]


def after_label(name: str, drawn: bool, places: str) -> list[str]:
    """After a list has been ``drawn``, or has been read back."""
    if drawn:
        return [f"dta-bench label {name}{places}  # again, once the second column is filled in"]
    return [f"dta-bench sweep {name}{places}  # chooses by these labels, once the pair's file names the list"]


def after_runs(names: Collection[str], shown: str, why: str, run_id: str, best: str, places: str) -> list[str]:
    """After runs have been listed.

    Args:
        shown: a run that is worth a look.
        why: what it is.
        run_id: one that kept its network; empty if none did.
        best: why this one.
    """
    reports = [report_of(name, places) for name in list(names)[:1]]
    figures = [f"dta-bench figures {run_id}{places}  # what it has learned: {best}"] if run_id else []
    return [*reports, f"dta-bench runs {shown}{places}  # {why}", *figures]


def after_one_run(run_id: str, benchmark: str, gone_wrong: str, places: str) -> list[str]:
    """After one run has been shown.

    Args:
        gone_wrong: the class that fell deepest or was never right; empty where none did.
    """
    by_epoch = (
        f"dta-bench runs {run_id} --class {shlex.quote(gone_wrong)}{places}  # that class after each measured epoch"
    )
    return [
        *([by_epoch] if gone_wrong else []),
        f"dta-bench figures {run_id}{places}  # what its network has learned, where it kept one",
        f"dta-bench report {benchmark}{places}  # what the runs of {benchmark} show together",
    ]


def after_rm(places: str) -> list[str]:
    """After runs have been removed."""
    return [f"dta-bench runs{places}  # those that are left; the sweep of a removed run trains it again"]
