"""The command line. Heavy imports are inside the commands, so that help is fast."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import dta_bench
from dta_bench.cli.archives import merge, publish, site
from dta_bench.cli.check import check
from dta_bench.cli.cluster import cluster
from dta_bench.cli.compare import compare
from dta_bench.cli.export import export
from dta_bench.cli.figures import figures
from dta_bench.cli.label import label
from dta_bench.cli.listing import list_
from dta_bench.cli.new import new
from dta_bench.cli.predict import predict
from dta_bench.cli.prepare import prepare
from dta_bench.cli.profile import profile
from dta_bench.cli.replay import replay
from dta_bench.cli.report import report
from dta_bench.cli.runs import runs
from dta_bench.cli.sweep import sweep
from dta_bench.cli.terminal import print_own_warnings_as_notes
from dta_bench.cli.train import train
from dta_bench.cli.ui import ui
from dta_bench.cli.value_names import Command
from dta_bench.errors import Interrupted, UserError
from dta_bench.errors.credentials import mask
from dta_bench.errors.environment import environment_error

ORDER = (
    "list", "new", "prepare", "train", "sweep", "report", "compare", "runs", "publish", "merge", "site", "label",
    "predict", "export", "replay", "figures", "profile", "check", "cluster", "ui",
)  # fmt: skip


class OrderedGroup(TyperGroup):
    """The commands in the order of a user's work; typer itself puts a command that has subcommands last."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the commands, as help shows them."""
        return sorted(super().list_commands(ctx), key=ORDER.index)


app = typer.Typer(
    name="dta-bench",
    cls=OrderedGroup,
    help="Sweeps and honest tables for Drop to Adapt and everything it is compared with.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"dta-bench {dta_bench.__version__}")
        raise typer.Exit


@app.callback()
def options_of_all_commands(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Sweeps and honest tables for Drop to Adapt and everything it is compared with."""


app.command("list", cls=Command, epilog="Example: dta-bench list methods --task segmentation")(list_)
app.command(cls=Command, epilog="Example: dta-bench new method mine")(new)
app.command(cls=Command, epilog="Example: dta-bench prepare svhn_mnist --root DATA")(prepare)
app.command(cls=Command, epilog="Example: dta-bench train fonts_digits --method dta --set lambda_2=0.02 --seed 1")(
    train
)
app.command(cls=Command, epilog="Example: dta-bench sweep visda --backbone resnet101 --points 12 --seeds 3")(sweep)
app.command(cls=Command, epilog="Example: dta-bench report fonts_digits --select oracle")(report)
app.command(
    cls=Command, epilog="Example: dta-bench compare start_digits digits; dta-bench compare runs/mine runs/theirs"
)(compare)
app.command(cls=Command, epilog="Example: dta-bench publish pacs --by 'our lab' --to archive")(publish)
app.command(cls=Command, epilog="Example: dta-bench merge archive other_archive --out merged")(merge)
app.command(cls=Command, epilog="Example: dta-bench site leaderboard archive other_archive")(site)
app.command(
    cls=Command, epilog="Examples: dta-bench runs visda --method dta --sort test; dta-bench runs rm 26ee7d47c6b0"
)(runs)
app.command(cls=Command, epilog="Example: dta-bench predict --best pets photographs --to predictions.csv")(predict)
app.command(cls=Command, epilog="Example: dta-bench label my_pair --budget 50")(label)
app.command(cls=Command, epilog="Example: dta-bench export 26ee7d47c6b0 --to onnx")(export)
app.command(cls=Command, epilog="Example: dta-bench replay grid_fonts_digits")(replay)
app.command(cls=Command, epilog="Example: dta-bench figures 26ee7d47c6b0")(figures)
app.add_typer(profile, name="profile")
app.command(cls=Command, epilog="Example: dta-bench check backbone timm/convnext_tiny")(check)
app.add_typer(cluster, name="cluster")
app.command(cls=Command, epilog="Example: dta-bench ui")(ui)


def main() -> None:
    """Run the command line. A user's error is one sentence and status 2, Ctrl-C is status 130; neither a traceback."""
    print_own_warnings_as_notes()
    try:
        app()
    except UserError as error:
        print(f"dta-bench: {error}", file=sys.stderr)
        sys.exit(2)
    except Interrupted:
        print("dta-bench: interrupted; what was finished is kept, the same command goes on", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        if sentence := environment_error(error):
            print(f"dta-bench: {sentence}", file=sys.stderr)
            sys.exit(2)
        from dta_bench import plugins

        if sentence := plugins.explain(error):
            print(f"dta-bench: {mask(sentence)}", file=sys.stderr)
            sys.exit(2)
        # Masked, because requests, urllib3 and SQLAlchemy put the URL that they were given into their errors.
        print(mask(traceback.format_exc()), end="", file=sys.stderr)
        sys.exit(1)
