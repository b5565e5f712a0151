"""What ``dta-bench label`` does: draw the images that a user is to label, or read the filled list back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dta_bench.data import label_list
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.data.label_list import LabelTask
from dta_bench.errors import UserError
from dta_bench.report.labelling.contact_sheet import contact_sheet
from dta_bench.report.predictions.choose_run import choose_run
from dta_bench.report.predictions.find_run import find_run
from dta_bench.report.selection.label_budget_measured import what_labels_are_worth
from dta_bench.run.workspace import Workspace

WAYS = ("random", "predicted")


def label(
    name: str, budget: int | None, drawn: str | None, seed: int | None, run: str | None, to: Path | None,
    workspace: Workspace,
) -> dict[str, Any]:  # fmt: skip
    """Draw a list of target images to label; where the list is there already, read it back.

    Args:
        name: a pair of the user's own.
        budget: how many images; 100 where None.
        drawn: ``random`` or ``predicted``; ``random`` where None.
        seed: of the draw; 0 where None.
        run: the run whose predictions are used; None takes what the default rule chooses.
        to: the list; None: ``<root>/<name>.labels.csv``.

    Returns:
        What ``--json`` prints.

    Raises:
        UserError: the target has labels already, or the list cannot be drawn, written or read.
    """
    root = Path(workspace.root)
    task, path = label_list.label_task(name, root), to or root / f"{name}.labels.csv"
    if path.exists():
        return _read_back(task, path, {"budget": budget, "drawn": drawn, "seed": seed})
    if drawn not in (None, *WAYS):
        raise UserError(f"--drawn {drawn} is not known; it takes {' or '.join(WAYS)}")
    if run is not None and drawn != "predicted":
        raise UserError("--run names the run whose predictions are used; it goes with --drawn predicted")
    predicted, predicting = None, None
    if drawn == "predicted":
        predicted, predicting = _predictions(task, run, workspace)
    task = label_list.without_labelled(task)
    found = label_list.draw(task, 100 if budget is None else budget, seed or 0, predicted, predicting)
    label_list.write(found, task.column, path)
    return {"list": str(path), **vars(found), **_show(task, found.paths, path), "yaml": _yaml_line(path, root)}


def _show(task: LabelTask, paths: tuple[str, ...], path: Path) -> dict[str, Any]:
    """Draw the contact sheet beside the list."""
    index = {task.path_in_list(one): i for i, one in enumerate(task.images.ids)}
    images = task.images.select([index[one] for one in paths]).images
    fill = _what_to_fill_in(task)
    words = (
        f"{len(paths)} images of {task.pair.target.path}. Write {fill}, into the column {task.column} of {path.name}."
    )
    page, unreadable = contact_sheet(f"{task.benchmark}: images to label", words, paths, images)
    sheet = path.with_suffix(".html")
    sheet.write_text(page, encoding="utf-8", errors="backslashreplace")
    worth = what_labels_are_worth(benchmark_of(task.benchmark).task)
    return {"contact_sheet": str(sheet), "unreadable": unreadable, "worth": worth}


def _what_to_fill_in(task: LabelTask) -> str:
    """What a row of the list is to be given, in words."""
    pair = task.pair
    if task.column == "class":
        return f"the class of each image, one of {', '.join(pair.classes)}"
    where = "the path of each image's mask (in this list's folder or under the data root), a PNG file of its size"
    domain = pair.target
    if domain.values or domain.colours or pair.values or pair.colours:
        return f"{where} with the values or colours that the pair's file states"
    numbers = ", ".join(f"{index} {name}" for index, name in enumerate(pair.classes))
    return f"{where} with the number of each pixel's class: {numbers}; 255 for pixels of no class"


def _read_back(task: LabelTask, path: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Read the list that is there; a draw other than the recorded one is refused."""
    record = label_list.read_record(path) or {}
    other = [f"--{key} {value}" for key, value in asked.items() if value is not None and record.get(key) != value]
    if other:
        how = ", ".join(f"{key} {record[key]}" for key in asked if key in record) or "by hand"
        raise UserError(
            f"{path} is there already, drawn with {how}, and {' '.join(other)} asks for another one; name another file "
            "with --to, or remove it"
        )
    filled = label_list.read_back(task, path)
    return {
        "list": str(path), "counts": dict(filled.counts), "empty": filled.empty, "notes": list(filled.notes),
        "yaml": _yaml_line(path, Path(task.root)),
    }  # fmt: skip


def _yaml_line(path: Path, root: Path) -> str:
    """What the pair's file says of a list."""
    return f"labelled: {(path.relative_to(root) if path.is_relative_to(root) else path).as_posix()}"


def _predictions(task: LabelTask, name: str | None, workspace: Workspace) -> tuple[dict[str, int], str]:
    """Image id → predicted class, and the identity of the run that predicted."""
    if task.column == "mask":
        raise UserError("--drawn predicted needs one class per image, and segmentation predicts pixels; draw at random")
    tracker = workspace.tracker()
    tracked = find_run(tracker, name) if name else choose_run(tracker, task.benchmark, None).run
    if tracked.spec.benchmark != task.benchmark:
        raise UserError(f"{tracked.run_id} is a run of {tracked.spec.benchmark}, not of {task.benchmark}")
    stored = tracker.predictions(tracked, ("target_train_ids", "target_train_logits"))
    if len(stored) < 2:
        raise UserError(f"{tracked.run_id} has stored no predictions of target train; a finished run has them")
    guesses = np.asarray(stored["target_train_logits"]).argmax(axis=1)
    return dict(zip(map(str, stored["target_train_ids"]), map(int, guesses), strict=True)), tracked.run_id
