"""The table of recipes as a page, and on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table as ScreenTable

from dta_bench.cost.amount import spell_gpu_hours_range
from dta_bench.cost.assumed_rate import describe_assumption, range_at_assumed_rate
from dta_bench.report.document.recipe_table import ChangedRuns, RecipePair, RecipeRow, RecipeScore, RecipeTable
from dta_bench.report.html.page import Cell, Page, Section, Table
from dta_bench.report.html.sections.cells import interval_cell, number_cell
from dta_bench.spec.spelling import spell_metric, spell_score_bounds, spell_seeds

TOO_WIDE = 20.0
"""Points from end to end of an interval, above which a printed value that lies inside says little: it is told."""
MANY = 8
"""More recipes without runs are counted on a terminal that has others to show; the page lists them."""
ESTIMATE = (
    f"GPU hours are an estimate: FLOPs of every step and evaluation at a rate {describe_assumption()}; dta-bench sweep "
    "--dry-run takes a measured rate."
)


def recipe_page(table: RecipeTable) -> Page:
    """Printed and ours, pairs of suites, what would run the rest, changed runs, and what recipes cannot say."""
    sections = (_side_by_side(table), _pairs(table), _to_run(table), _changed(table), _differences(table))
    return Page(
        "Published recipes", "as their authors or a public library train, rebuilt by dta-bench", _answer(table),
        sections=[section for section in sections if section],
    )  # fmt: skip


def show_recipes(table: RecipeTable, console: Console) -> None:
    """Print the table within 80 columns, the commands of what was not run, and how our runs differ from the source."""
    shown = ScreenTable(title="Published recipes", title_justify="left")
    shown.add_column("recipe", overflow="fold")
    shown.add_column("metric", overflow="fold")
    for name in ("printed", "ours", "interval"):
        shown.add_column(name, justify="right")
    shown.add_column("verdict")
    to_run, counted = _listed(table)
    for row in table.recipes:
        if row in counted:
            continue
        shown.add_row(
            escape(row.recipe), spell_metric(row.metric), _spell(row.printed), _spell_score(row.ours),
            _interval(row.ours), spell_verdict(row),
        )  # fmt: skip
    console.print(shown)
    for sentence in (_answer(table), *_notes(table)):
        console.print(escape(sentence), highlight=False)
    for row in table.recipes:
        if row.ours is not None:
            for sentence in row.differs:
                console.print(escape(f"{row.recipe} differs: {sentence}"), highlight=False, soft_wrap=True)
    for name, one in _every_change(table):
        console.print(escape(f"{name} (changed): {_spell_changed(one)}"), highlight=False, soft_wrap=True)
    if counted:
        line = f"{len(counted)} recipes are not run: the page and --json have the command and GPU hours of each."
        console.print(line, highlight=False, soft_wrap=True)
    if to_run:
        console.print("Not run:", highlight=False)
        for row in to_run:
            console.print(escape(f"  {row.command}  # {_spell_hours(row)}"), highlight=False, soft_wrap=True)
        console.print(ESTIMATE, highlight=False)


def spell_verdict(row: RecipeRow | RecipePair) -> str:
    """A row's verdict in words, with the width of a wide interval: ``missed by 3.2 points, ours is lower``."""
    if isinstance(row, RecipeRow) and row.verdict == "some pairs not run":
        return f"{sum(pair.verdict != 'not run' for pair in row.pairs)} of {len(row.pairs)} pairs run"
    if row.verdict == "inside" and row.ours is not None and row.ours.ci95 is not None:
        width = row.ours.ci95[1] - row.ours.ci95[0]
        wide = f" (interval of {width:.1f} points: hardly any value is outside)"
        return row.verdict + wide * (width > TOO_WIDE)
    if row.verdict != "missed" or row.points is None:
        return row.verdict
    return f"missed by {abs(row.points):.1f} points, ours is {'lower' if row.points < 0 else 'higher'}"


def _answer(table: RecipeTable) -> str:
    count = {verdict: sum(row.verdict == verdict for row in table.recipes) for verdict in ("inside", "missed")}
    run = sum(row.ours is not None for row in table.recipes)
    return (
        f"Of {len(table.recipes)} recipes {run} were run unchanged: the printed value lies inside our 95 % interval for"
        f" {count['inside']}, and outside for {count['missed']}."
    )


def _notes(table: RecipeTable) -> list[str]:
    """What is to be known of our figures: intervals, few seeds, collapsed runs, runs left out, differences."""
    sentences = []
    if any(row.ours is not None and row.ours.over == "seeds and images" and not row.pairs for row in table.recipes):
        sentences.append(
            "How much seeds vary is taken from a recipe's own runs alone here, and from all compared methods in the"
            " report of its benchmark: the same runs may have another interval there."
        )
    for row in table.recipes:
        if row.ours is not None and len(row.ours.seeds) == 1:
            sentences.append(f"{row.recipe}: one seed, so the interval is over test images alone.")
        if row.ours is not None and row.ours.collapsed:
            runs = f"{len(row.ours.mlflow_run_ids)} runs" if row.pairs else f"{len(row.ours.seeds)} seeds"
            sentences.append(f"{row.recipe}: {row.ours.collapsed} of {runs} collapsed.")
        if row.left_out:
            sentences.append(
                f"{row.recipe}: {row.left_out} runs are left out, on other data or with another labelled subset;"
                f" dta-bench runs --methods {row.method} lists them."
            )
    count = sum(bool(row.differs) for row in table.recipes)
    if count:
        sentences.append(
            f"{count} recipes cannot say all that their source does: see differs in --json and on the page; a dry run"
            " of a recipe prints it."
        )
    return sentences


def _side_by_side(table: RecipeTable) -> Section:
    head = ["recipe", "metric", "printed", "ours", "95 % interval", "seeds", "verdict", "printed epoch chosen by",
            "source"]  # fmt: skip
    rows = [
        [
            Cell(row.recipe), Cell(spell_metric(row.metric)), number_cell(row.printed),
            *_ours(table, row), Cell(spell_verdict(row)), Cell(row.epoch_chosen_by), Cell(row.source),
        ]
        for row in table.recipes
    ]  # fmt: skip
    caption = (
        "Ours: runs of the recipe unchanged, at the last epoch, in the metric that is printed; of a suite, the average "
        "over its pairs."
    )
    return Section("recipes", "Printed and ours", _notes(table), [Table(head, rows, caption)])


def _pairs(table: RecipeTable) -> Section | None:
    rows = [
        [
            Cell(row.recipe), Cell(pair.pair), number_cell(pair.printed), *_ours(table, pair),
            Cell(spell_verdict(pair)),
        ]
        for row in table.recipes
        for pair in row.pairs
    ]  # fmt: skip
    if not rows:
        return None
    head = ["recipe", "pair", "printed", "ours", "95 % interval", "seeds", "verdict"]
    return Section("pairs", "Pairs of suites", [], [Table(head, rows, folded="Each pair of a suite's recipe")])


def _ours(table: RecipeTable, row: RecipeRow | RecipePair) -> list[Cell]:
    """Our score, its interval and its seeds."""
    score = Cell(_spell_score(row.ours), _link(table, row), number=True)
    return [score, interval_cell(row.ours.ci95 if row.ours else None), Cell(_seeds(row.ours))]


def _to_run(table: RecipeTable) -> Section | None:
    rows = _not_run(table)
    if not rows:
        return None
    cells = [[Cell(row.recipe), Cell(row.command), Cell(_spell_hours(row))] for row in rows]
    return Section("not-run", "Not run", [ESTIMATE], [Table(["recipe", "command", "cost"], cells)])


def _changed(table: RecipeTable) -> Section | None:
    rows = [
        [
            Cell(name), Cell("; ".join(one.changes)), Cell(_spell_score(one.score), number=True),
            interval_cell(one.score.ci95 if one.score else None), Cell(_seeds(one.score)),
        ]
        for name, one in _every_change(table)
    ]  # fmt: skip
    if not rows:
        return None
    head = ["recipe", "what was changed", "ours", "95 % interval", "seeds"]
    words = ["These runs followed a recipe with something changed; they say nothing of the printed value."]
    return Section("changed", "Changed recipes", words, [Table(head, rows)])


def _differences(table: RecipeTable) -> Section | None:
    rows = [[Cell(row.recipe), Cell(sentence)] for row in table.recipes for sentence in row.differs]
    if not rows:
        return None
    words = ["What the source does and the recipe cannot say."]
    return Section("differs", "Differences that remain", words, [Table(["recipe", "difference"], rows)])


def _listed(table: RecipeTable) -> tuple[list[RecipeRow], list[RecipeRow]]:
    """Recipes to run with a command on a terminal, and those that are only counted there."""
    to_run, without = _not_run(table), [row for row in table.recipes if not row.has_runs]
    if len(without) <= MANY or len(without) == len(table.recipes):
        return to_run, []
    return [row for row in to_run if row.has_runs], without


def _not_run(table: RecipeTable) -> list[RecipeRow]:
    return [row for row in table.recipes if row.verdict in ("not run", "some pairs not run")]


def _every_change(table: RecipeTable) -> list[tuple[str, ChangedRuns]]:
    of_recipe = [(row.recipe, one) for row in table.recipes for one in row.changed]
    of_pair = [
        (f"{row.recipe}, {pair.pair}", one) for row in table.recipes for pair in row.pairs for one in pair.changed
    ]
    return of_recipe + of_pair


def _spell_changed(one: ChangedRuns) -> str:
    score = "no labelled target test" if one.score is None else f"{one.score.value:.1f} % ({_seeds(one.score)})"
    return f"{'; '.join(one.changes)}: {score}"


def _spell_hours(row: RecipeRow) -> str:
    if row.gpu_hours is None:
        return f"no estimate: {row.no_estimate}"
    return spell_gpu_hours_range(range_at_assumed_rate(row.gpu_hours))


def _spell(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _spell_score(score: RecipeScore | None) -> str:
    return "" if score is None else _spell(score.value)


def _interval(score: RecipeScore | None) -> str:
    return "" if score is None or score.ci95 is None else spell_score_bounds(score.ci95)


def _seeds(score: RecipeScore | None) -> str:
    if score is None:
        return ""
    return spell_seeds(score.seeds) + (", fresh" if score.confirmed else "")


def _link(table: RecipeTable, row: RecipeRow | RecipePair) -> str | None:
    base = table.links.get(row.benchmark)
    return f"{base.partition('?')[0]}/{row.ours.mlflow_run_ids[0]}" if base and row.ours else None
