"""``dta-bench profile``: what a training step, an image or the memory of a card costs."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup, TyperOption

from dta_bench.cli import endings
from dta_bench.cli.arguments import options_of, plan_of
from dta_bench.cli.options import DEFAULT_ROOT, Json, Root, SearchSpaceName
from dta_bench.cli.terminal import chatter_on_stderr, console, print_ending, print_json
from dta_bench.cli.value_names import Command
from dta_bench.errors import UserError
from dta_bench.spec.spelling import count_of, join_words

DEFAULT_FORM = "step"
HELP_OPTIONS = {"-h", "--help"}


class FormsGroup(TyperGroup):
    """A group of which one command, ``step``, needs no name: ``profile visda`` is ``profile step visda``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as any group does, once the form comes first."""
        return super().parse_args(ctx, args if ctx.resilient_parsing else self.with_form(args))

    def with_form(self, args: list[str]) -> list[str]:
        """The arguments with the form first: ``["--batch", "4", "visda"]`` is ``["step", "--batch", "4", "visda"]``.

        Arguments that ask for the help of the group itself, or that are none, stay as they are.

        Raises:
            UserError: a form is given, but no name to measure.
        """
        words = self._words(args)
        if not words and set(args) <= HELP_OPTIONS:
            return args
        form = args[words[0]] if words else DEFAULT_FORM
        if not words or form not in self.commands:
            return [DEFAULT_FORM, *args]
        if len(words) == 1 and not HELP_OPTIONS & set(args):
            raise UserError(
                f"profile {form} takes one name; what is itself called {form} is measured with: dta-bench profile"
                f" {DEFAULT_FORM} {form}"
            )
        return [form, *args[: words[0]], *args[words[0] + 1 :]]

    def _words(self, args: list[str]) -> list[int]:
        """The places of the arguments that are neither options nor values of options."""
        options = [p for form in self.commands.values() for p in form.params if isinstance(p, TyperOption)]
        with_value = {spelling for option in options if not option.is_flag for spelling in option.opts}
        return [
            place
            for place, arg in enumerate(args)
            if not arg.startswith("-") and (place == 0 or args[place - 1] not in with_value)
        ]


profile = typer.Typer(
    cls=FormsGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    subcommand_metavar="[step | data | memory] NAME",
    help="Measure what a step, an image or a card's memory costs.\n\n"
    "Without the word step, data or memory, it measures a step. A search space or benchmark that is itself called step,"
    " data or memory is measured with: dta-bench profile step NAME.",
    epilog="Examples: dta-bench profile visda --backbone resnet101 --batch 4; dta-bench profile data visda;"
    " dta-bench profile memory gta5_cityscapes",
)

Backbone = Annotated[str | None, typer.Option(help="The backbone. Default: the search space's first.")]
ImageSize = Annotated[int | None, typer.Option(min=8, help="Height and width of the images. Default: the benchmark's.")]


@profile.command(
    "step",
    cls=Command,
    epilog="Example: dta-bench profile visda --backbone resnet101 --batch 4 (or: dta-bench profile step visda)",
)
def profile_step(
    name: SearchSpaceName,
    backbone: Backbone = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Methods, with commas or repeated. Default: dta and dta_released.")
    ] = None,
    batch: Annotated[int, typer.Option(min=2, help="Images of each domain in a step.")] = 8,
    image_size: ImageSize = None,
    rounds: Annotated[int, typer.Option(min=1, help="Times that each step is timed, in turn with the others.")] = 5,
    trace: Annotated[
        bool, typer.Option("--trace", help="Also say which operators make time and FLOPs differ.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure a training step: FLOPs, time and memory.

    Prints images per second and the share of each term of the loss too, and source_only for comparison.
    The input is random; no data are needed.
    """
    with chatter_on_stderr() as stdout:
        from dta_bench.cost.step_table import operator_costs, show_operator_costs, show_step_costs, step_costs
        from dta_bench.cost.sweep_estimate import measuring_command

        plan = plan_of(name, _options(backbone, method or ["dta", "dta_released"]))
        named = join_words(list(dict.fromkeys(["source_only", *plan.methods])))
        timed = f"timing {count_of(rounds, 'round')} of steps of {named}"
        print(f"{timed}; --method and --rounds say how many", file=sys.stderr)
        found = step_costs(plan, batch, image_size, rounds)
        if trace:
            found["traces"] = operator_costs(plan, batch, image_size, rounds)
        if as_json:
            print_json(found, stdout)
        else:
            show_step_costs(found, console(stdout))
            show_operator_costs(found.get("traces", []), console(stdout))
            rate = next(row["images_per_second"] for row in found["rows"] if row["method"] == "source_only")
            trained = plan.benchmark.for_training(plan.training)
            is_as_in_a_sweep = (batch, *found["image_size"]) == (plan.training.batch_size, *trained.image_size)
            instead = "" if is_as_in_a_sweep else measuring_command(plan)
            print_ending("", endings.after_profile(name, found["backbone"], rate, instead), stdout)


@profile.command("data", cls=Command, epilog="Example: dta-bench profile data visda --images 128 --batch 16")
def profile_data(
    name: Annotated[str, typer.Argument(help="A benchmark whose data are there.")],
    backbone: Annotated[
        str | None, typer.Option(help="The backbone that waits for images. Default: ResNet-18.")
    ] = None,
    batch: Annotated[int, typer.Option(min=2, help="Images of each domain in a step.")] = 8,
    rounds: Annotated[int, typer.Option(min=1, help="Times that each row is measured, in turn with the others.")] = 5,
    images: Annotated[int, typer.Option(min=2, help="Images of each domain to measure with.")] = 256,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read images ahead.")] = 1,
    root: Root = DEFAULT_ROOT,
    as_json: Json = False,
) -> None:
    """Measure how fast images get from their files to the step.

    Says also how long a step waits for its images. Needs the benchmark's data.
    """
    with chatter_on_stderr() as stdout:
        from dta_bench.cost import data_path
        from dta_bench.domains import typed_paths

        found = data_path.data_costs(name, typed_paths.absolute(root), backbone, batch, images, workers, rounds)
        if as_json:
            print_json(found, stdout)
        else:
            data_path.show(found, console(stdout))


@profile.command("memory", cls=Command, epilog="Example: dta-bench profile memory gta5_cityscapes")
def profile_memory(
    name: SearchSpaceName,
    backbone: Backbone = None,
    method: Annotated[list[str] | None, typer.Option(help="Methods, with commas or repeated. Default: dta.")] = None,
    image_size: ImageSize = None,
    as_json: Json = False,
) -> None:
    """Say which steps fit which card, without computing any."""
    with chatter_on_stderr() as stdout:
        from dta_bench.cost import memory_table

        plan = plan_of(name, _options(backbone, method or ["dta"]))
        found = memory_table.memory_costs(plan, image_size)
        if as_json:
            print_json(found, stdout)
        else:
            memory_table.show(found, console(stdout))


def _options(backbone: str | None, methods: list[str]) -> Any:
    return options_of(backbone=[backbone] if backbone else None, method=methods)
