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

PLACES = {
    "classification": (("svhn_mnist", "conv9_fc1"), ("visda", "resnet50")),
    "segmentation": (("streets_mini", "unet_mini"), ("gta5_cityscapes", "fcn_resnet50")),
}
CLOSE = 0.01
"""How far, as a share of the floor, FLOPs may be from it without a word."""


def main() -> None:
    """One table a task."""
    print("# The least that a method needs, and what it does\n")
    print(
        "Both in source-only steps (a forward and backward pass over a source batch), with each method's first row, and"
    )
    print("every ramp at its end. A forward pass is a third of one. FLOPs of matrix products and convolutions.\n")
    for task, places in PLACES.items():
        heads = [f"FLOPs, {backbone} on {benchmark}" for benchmark, backbone in places]
        print(f"## {task.capitalize()}\n")
        print(f"| method | floor | {' | '.join(heads)} | what is above the floor |")
        print(f"| --- | ---: |{' ---: |' * len(places)} --- |")
        for method, *found in counted(task, places):
            floors = dict.fromkeys(f"{case.floor:.2f}" for case, _ in found)
            apart = any(abs(ratio / case.floor - 1) > CLOSE for case, ratio in found)
            cells = [method, " / ".join(floors), *(f"{ratio:.3f}" for _, ratio in found)]
            print(f"| {' | '.join(cells)} | {why(found[0][0]) if apart else ''} |", flush=True)
        print()


def counted(task: str, places: Sequence[tuple[str, str]]) -> Iterator[tuple[Any, ...]]:
    """Each method of a task, with its case and its ratio of FLOPs in each place."""
    methods = [method for method in map(method_plugin, plugins.names("method")) if task in method.tasks]
    asked = Options(methods=tuple(method.name for method in methods), points=1)
    plans = [make_plan(benchmark, search_space_file.read(benchmark), asked) for benchmark, _ in places]
    networks = [meta_network(benchmark_of(benchmark), backbone) for benchmark, backbone in places]
    bases = [flops(net, SOURCE_ONLY, batch) for net, batch in networks]
    for method in methods:
        found = []
        for plan, (_, backbone), (net, batch), base in zip(plans, places, networks, bases, strict=True):
            case = ConfiguredMethod(method, method.params_type(**(plan.params(backbone, method.name, {}))))
            found.append((case, flops(net, case, batch) / base))
        yield method.name, *found


def why(case: ConfiguredMethod) -> str:
    """As the method's file says it; else modules of its own, which weigh where the network is small."""
    return case.above_floor or "discriminators or second heads, large beside this network"


main()
