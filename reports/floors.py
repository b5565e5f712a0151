"""What a step of each method does beside the floor that its file states, as Markdown on stdout; run by ``make floors``.

FLOPs are counted on the meta device: nothing is computed, and no data are needed.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from dta_bench import plugins
from dta_bench.cost.flops import meta_network
from dta_bench.cost.measure import flops
from dta_bench.cost.step import SOURCE_ONLY, ConfiguredMethod
from dta_bench.data.benchmark_plugin import benchmark_of
from dta_bench.spec import search_space_file
from dta_bench.spec.method_plugin import method_plugin
from dta_bench.spec.plan import Options
from dta_bench.sweep.choose_runs import make_plan

NETWORKS = {
    "classification": (("svhn_mnist", "conv9_fc1"), ("visda", "resnet50")),
    "segmentation": (("streets_mini", "unet_mini"), ("gta5_cityscapes", "fcn_resnet50")),
}
CLOSE = 0.01
"""How far FLOPs may be from the floor, as a share of it, without an explanation."""


def main() -> None:
    """Print a table for each task."""
    print("# The least that a method needs, and what it does\n")
    print(
        "Both in source-only steps (a forward and backward pass over a source batch), with each method's first row, and"
    )
    print("every ramp at its end. A forward pass is a third of one. FLOPs of matrix products and convolutions.\n")
    for task, pairs in NETWORKS.items():
        heads = [f"FLOPs, {backbone} on {benchmark}" for benchmark, backbone in pairs]
        print(f"## {task.capitalize()}\n")
        print(f"| method | floor | {' | '.join(heads)} | what is above the floor |")
        print(f"| --- | ---: |{' ---: |' * len(pairs)} --- |")
        for method, *found in ratios_of_methods(task, pairs):
            floors = dict.fromkeys(f"{configured.floor:.2f}" for configured, _ in found)
            apart = any(abs(ratio / configured.floor - 1) > CLOSE for configured, ratio in found)
            cells = [method, " / ".join(floors), *(f"{ratio:.3f}" for _, ratio in found)]
            print(f"| {' | '.join(cells)} | {above_the_floor(found[0][0]) if apart else ''} |", flush=True)
        print()


def ratios_of_methods(task: str, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[Any, ...]]:
    """Yield each method of a task: its name, then its configuration and its ratio of FLOPs on each network."""
    known = map(method_plugin, plugins.names("method"))
    methods = [method for method in known if task in method.tasks and not method.by_prompts]
    asked = Options(methods=tuple(method.name for method in methods), points=1)
    plans = [make_plan(benchmark, search_space_file.read(benchmark), asked) for benchmark, _ in pairs]
    networks = [meta_network(benchmark_of(benchmark), backbone) for benchmark, backbone in pairs]
    bases = [flops(net, SOURCE_ONLY, batch) for net, batch in networks]
    for method in methods:
        found = []
        for plan, (_, backbone), (net, batch), base in zip(plans, pairs, networks, bases, strict=True):
            configured = ConfiguredMethod(method, method.params_type(**(plan.params(backbone, method.name, {}))))
            found.append((configured, flops(net, configured, batch) / base))
        yield method.name, *found


def above_the_floor(configured: ConfiguredMethod) -> str:
    """Say what a method needs above its floor; where its file does not say, modules of its own on a small network."""
    return configured.above_floor or "discriminators or second heads, large beside this network"


main()
