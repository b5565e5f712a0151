"""The command line: arguments in, one call out. Heavy imports live inside the commands, so that help comes at once."""

from __future__ import annotations

import sys

import typer

from dta_bench.cli.listing import check, list_
from dta_bench.cli.prepare import prepare
from dta_bench.cli.profile import profile
from dta_bench.cli.report import figures, replay, report, ui
from dta_bench.cli.sweep import sweep
from dta_bench.cli.train import train
from dta_bench.errors import Interrupted, UserError

app = typer.Typer(
    name="dta-bench",
    help="Sweeps and honest tables for Drop to Adapt and everything it is compared with.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("list", epilog="Example: dta-bench list --json")(list_)
app.command(epilog="Example: dta-bench prepare svhn_mnist --root DATA")(prepare)
app.command(epilog="Example: dta-bench train fonts_digits --method dta --set lambda_2=0.02 --seed 1")(train)
app.command(epilog="Example: dta-bench sweep visda --backbone resnet101 --points 12 --seeds 3")(sweep)
app.command(epilog="Example: dta-bench report fonts_digits --select oracle")(report)
app.command(epilog="Example: dta-bench replay grid_fonts_digits")(replay)
app.command(epilog="Example: dta-bench figures 63c7ccb1951f")(figures)
PROFILING = "Examples: dta-bench profile visda --backbone resnet101 --batch 4; dta-bench profile data visda"
app.command(epilog=PROFILING)(profile)
app.command(epilog="Example: dta-bench check backbone timm/convnext_tiny")(check)
app.command(epilog="Example: dta-bench ui")(ui)


def main() -> None:
    """Entry point: user errors are one sentence and status 2, Ctrl-C is status 130; nothing is a traceback."""
    try:
        app()
    except UserError as error:
        print(f"dta-bench: {error}", file=sys.stderr)
        sys.exit(2)
    except Interrupted:
        print("dta-bench: interrupted; what was finished is kept, the same command goes on", file=sys.stderr)
        sys.exit(130)
