"""One run on a terminal: what it was, its scores, its curve, and the command that trains it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dta_bench.report.document.frozen_record import Curve
from dta_bench.report.document.one_run import IN_USE, Changed, OneRun
from dta_bench.report.terminal.class_falls import (
    fall_sentences,
    files_sentence,
    lost_sentence,
    measured_sentence,
    poor_sentences,
)
from dta_bench.spec.spelling import spell_metric, spell_value

PARTS = {
    "test": "target test", "validation": "labelled subset", "source_validation": "held-out source",
    "whole": "target test with the labelled subset",
}  # fmt: skip
MOST_EPOCHS = 7
"""Epochs that the curve shows; the JSON has all."""
MOST_CLASSES = 40


def show_run(run: OneRun, console: Console, places: str = "") -> None:
    """Print all that is known of a run, most important first.

    Args:
        places: the options that lead another command to the same store, with a space before each.
    """

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True, markup=False)

    for line in [*_what_it_was(run), *_how_it_ended(run)]:
        say(line)
    if run.scores:
        console.print(_scores(run))
    if run.per_class:
        say(_classes(run))
    if run.curves:
        console.print(_curve(run.curves))
    if run.other_seeds:
        say(_other_seeds(run))
    if run.measured_otherwise:
        say(_measured_otherwise(run))
    for line in _where(run, places):
        say(line)
    say("")
    say("This command trains the run again. If the folder --out already has the result, it only shows the result:")
    say(f"then name another folder, or remove the run first (dta-bench runs rm {run.run_id}).")
    say(f"  {run.command}")


def _what_it_was(run: OneRun) -> list[str]:
    weights = "" if run.weights == "none" else f" with weights {run.weights}"
    lines = [
        f"Run {run.run_id}: {run.name}, {run.status}" + (", collapsed" if run.collapsed else ""),
        f"{run.method} on {run.benchmark}, {run.backbone}{weights}, seed {run.seed}; {run.what}",
        f"Parameters: {_changed(run.params, 'default') or 'all at the defaults of the method'}",
        f"Training: {_changed(run.training, run.search_space) or f'as in the search space {run.search_space}'}",
    ]
    if run.chosen_by:
        lines.append(f"Chosen in the last report by: {', '.join(run.chosen_by)}")
    return lines


def _changed(values: Mapping[str, Changed], of: str) -> str:
    return ", ".join(f"{name}={_spell(one.value)} ({of}: {_spell(one.default)})" for name, one in values.items())


def _spell(value: object) -> str:
    return "none" if value in (None, {}) else spell_value(value)


def _how_it_ended(run: OneRun) -> list[str]:
    lines = [f"Reason: {run.reason}"] if run.reason else []
    if run.collapsed:
        lines.append("Collapsed: fewer than half of the classes are predicted on target test.")
    if run.few_classes_from is not None:
        first, *_ = run.curves[IN_USE][0]
        is_always = run.few_classes_from == first
        before = "nothing was measured before it" if is_always else "compare the parts of the loss before and after it"
        lines.append(
            f"From epoch {run.few_classes_from} on, fewer than half of the classes are predicted on target train; "
            f"{before}."
        )
    if run.lost_classes:
        lines.append(lost_sentence(run))
    return lines + fall_sentences(run) + poor_sentences(run) + measured_sentence(run)


def _scores(run: OneRun) -> Table:
    metrics = dict.fromkeys(metric for scores in run.scores.values() for metric in scores)
    table = Table(box=None, pad_edge=False)
    table.add_column("scores, %")
    for metric in metrics:
        table.add_column(spell_metric(metric), justify="right")
    for part, scores in run.scores.items():
        table.add_row(PARTS[part], *(f"{scores[metric]:.1f}" if metric in scores else "" for metric in metrics))
    return table


def _classes(run: OneRun) -> str:
    """Each class, the worst first; of the worst three also what most of their images are taken for."""
    worst_first = sorted(run.per_class.items(), key=lambda item: item[1])
    taken = {name: f" ({share:.0f} % taken for {to})" for name, (to, share) in run.worst_taken_for.items()}
    named = ", ".join(f"{name} {value:.1f}{taken.get(name, '')}" for name, value in worst_first[:MOST_CLASSES])
    more = f" and {len(worst_first) - MOST_CLASSES} better ones" if len(worst_first) > MOST_CLASSES else ""
    return f"{'IoU' if run.metric == 'miou' else 'Recall'} by class on target test, %, worst first: {named}{more}"


def _curve(curves: Mapping[str, Curve]) -> Table:
    """A row for each curve, at a few epochs from the first to the last."""
    epochs = shown_epochs([known for known, _ in curves.values()])
    table = Table(box=None, pad_edge=False)
    table.add_column("after epoch")
    for epoch in epochs:
        table.add_column(str(epoch), justify="right")
    for name, (known, values) in curves.items():
        at = dict(zip(known, values, strict=True))
        digits = 1 if "validation/" in name else 0 if name.endswith("classes_in_use") else 3
        table.add_row(escape(_title(name)), *(f"{at[one]:.{digits}f}" if one in at else "" for one in epochs))
    return table


def _title(name: str) -> str:
    part, _, what = name.partition("/")
    if part == "loss":
        return f"loss: {what}"
    if what == "classes_in_use":
        return "classes predicted"
    where = {"validation": "on the labelled subset, %", "source_validation": "on held-out source, %"}
    return f"{spell_metric(what)} {where.get(part, 'on target train')}"


def shown_epochs(known: Sequence[Sequence[int]]) -> list[int]:
    """The epochs to show of curves: those that every curve has, with the first and the last of all.

    Args:
        known: the epochs of each curve; a run that is not measured after each has its losses at more than its scores.
    """
    every, of_all = set[int]().union(*known), set.intersection(*map(set, known))
    return _some(sorted({min(every), max(every)} | of_all if of_all else every))


def _some(epochs: Sequence[int]) -> list[int]:
    """At most :data:`MOST_EPOCHS` of them, evenly, with the first and the last."""
    if len(epochs) <= MOST_EPOCHS:
        return list(epochs)
    step = (len(epochs) - 1) / (MOST_EPOCHS - 1)
    return [epochs[round(number * step)] for number in range(MOST_EPOCHS)]


def _other_seeds(run: OneRun) -> str:
    told = [
        f"{one.seed}: {one.status if one.test is None else f'{one.test:.1f} %'}{', collapsed' * one.collapsed}"
        f" ({one.run_id})"
        for one in run.other_seeds
    ]
    return f"Other seeds of this configuration, {spell_metric(run.metric)} on target test: {'; '.join(told)}"


def _measured_otherwise(run: OneRun) -> str:
    told = [
        f"{identity} ({', '.join(f'{name}={_spell(value)}' for name, value in differs.items())})"
        for identity, differs in run.measured_otherwise.items()
    ]
    return f"Trained as this one and measured otherwise: {'; '.join(told)}"


def _where(run: OneRun, places: str) -> list[str]:
    lines = files_sentence(run)
    lines += [f"Made by: {'; '.join(f'{key} {value}' for key, value in run.notes.items())}"] if run.notes else []
    if run.not_in_report:
        lines.append(f"Not in the table of dta-bench report {run.benchmark}{places}: {', '.join(run.not_in_report)}")
    if run.page:
        lines.append(f"Page of the report: {run.page}")
    return [*lines, f"In MLflow: dta-bench ui{places}, then {run.link}"]
