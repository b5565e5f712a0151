"""What a sweep prints before its first run: how many runs there are, which will run again, and what to know of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console

from dta_bench.domains import data_fingerprint
from dta_bench.run import code_fingerprint, preflight
from dta_bench.run.workspace import Workspace
from dta_bench.spec import plan_notes, recipe
from dta_bench.spec.plan import Plan
from dta_bench.spec.row_origins import overruled
from dta_bench.spec.spelling import count_of, spell_notes, spell_seeds, spell_value
from dta_bench.sweep.done_runs import State


def print_state(plan: Plan, state: State, to_come: int, console: Console) -> None:
    """Print how many runs are done, stopped early and to come, and which have diverged."""
    console.print(
        f"[bold]{plan.name}[/bold]: {plan.describe_points()}, {count_of(len(plan.seeds), 'seed')} each, "
        f"{count_of(len(plan.runs), 'run')} with the baselines; {len(state.done)} done, {to_come} to do"
        + (f", {len(state.stopped)} stopped early" if state.stopped else ""),
        highlight=False,
        soft_wrap=True,
    )
    if state.diverged:
        names = ", ".join(plan.run_name(run) for run in state.diverged)
        console.print(f"not tried again, they diverged on this data and code: {names}", highlight=False, soft_wrap=True)


def print_recipes(plans: Iterable[Plan], console: Console) -> None:
    """Print which recipes some plans follow, each once: what is printed, and what the recipe cannot say."""
    for name in dict.fromkeys(plan.recipe for plan in plans if plan.recipe):
        console.print(recipe.describe(name), highlight=False, soft_wrap=True, markup=False)


def notes_on(plan: Plan, state: State, workspace: Workspace) -> list[str]:
    """Notes on a plan, and on its runs whose fingerprints are of an older scheme."""
    own = [*plan_notes.notes(plan), *overruled(plan), *_perturbations_of_nothing(plan)]
    return own + notes_on_old_scheme(state, workspace)


def print_notes(notes: Sequence[str], console: Console) -> None:
    """Print notes on one plan, or on those of several pairs; equal ones once, with a count."""
    for line in spell_notes(notes):
        console.print(line, highlight=False, soft_wrap=True)


def print_confirmation(plan: Plan, state: State, to_come: int, console: Console) -> None:
    """Print what is confirmed with which seeds, and how many of these runs are done and to come.

    Args:
        plan: of the confirmation runs.
    """
    chosen = [run for run in plan.runs if run.seed == plan.seeds[0]]
    console.print(
        f"[bold]confirming[/bold] what the search of {plan.name} chose, with {spell_seeds(plan.seeds)}, by which "
        f"nothing is chosen: "
        f"{count_of(len(plan.runs), 'run')} of {count_of(len(chosen), 'configuration')}; "
        f"{len(state.done)} done, {to_come} to do",
        highlight=False,
        soft_wrap=True,
    )
    if state.diverged:
        names = ", ".join(plan.run_name(run) for run in state.diverged)
        console.print(f"not tried again, they diverged on this data and code: {names}", highlight=False, soft_wrap=True)


def notes_on_old_scheme(state: State, workspace: Workspace) -> list[str]:
    """Which runs count though a fingerprint of theirs is of an older scheme, and which start anew."""
    anew = [run for run in state.old_checkpoints if workspace.checkpoint(run.id).exists()]
    notes = [code_fingerprint.they_count(len(state.old_scheme))] if state.old_scheme else []
    notes += [data_fingerprint.they_are_not_verified(len(state.unverified))] if state.unverified else []
    return notes + ([code_fingerprint.they_start_anew(len(anew))] if anew else [])


def print_notes_on_files(notes: Iterable[str], console: Console) -> None:
    """Print what a user should know of the data's files; they name files, and are printed without any markup."""
    for note in notes:
        console.print(f"note: {_printable(note)}", highlight=False, soft_wrap=True, markup=False)


def print_superseded(console: Console, name: str, changes: str) -> None:
    """Print which run will run again, and why; its name comes from the store and is printed without any markup."""
    console.print(f"will run again: {_printable(name)} ({changes})", highlight=False, soft_wrap=True, markup=False)


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())


def _perturbations_of_nothing(plan: Plan) -> list[str]:
    """Notes on perturbations that flip not a single unit of a backbone: their point equals the one with delta = 0."""
    notes, benchmark = [], plan.benchmark.for_training(plan.training)
    for backbone in plan.backbones:
        units = preflight.dropout_units(benchmark, backbone)
        for name, count in units.items():
            values = {float(run.params.get(name, 0)) for run in plan.runs if run.backbone == backbone}
            notes += [
                f"{backbone}: {name}={spell_value(value)} of {count} units flips none, the same as {name}=0"
                for value in sorted(values)
                if value > 0 and int(value * count + 1e-9) == 0
            ]
    return notes
