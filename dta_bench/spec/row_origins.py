"""Where each parameter of a method's first point comes from, and which values of a file a method does not take."""

from __future__ import annotations

from dta_bench.spec.plan import Plan

DEFAULT = "the method's default"


def origins(plan: Plan, backbone: str, method: str) -> dict[str, str]:
    """Parameter of a method's row → where its value comes from."""
    of_file = f"the row of {plan.name}"
    own = plan.own_sets(method)
    of_own = f"search_spaces/methods/{method}.yaml"
    taken = plan.row(backbone, method)
    in_file = plan.file.row(backbone)
    return {
        name: DEFAULT if name not in taken
        else of_file if name in in_file and (own is None or plan.takes_row_of_file(name, method))
        else of_own
        for name in plan.defaults(method)
    }  # fmt: skip


def describe_origins(plan: Plan) -> list[str]:
    """A line for each backbone and method with parameters: the first point's values by where they come from."""
    lines = []
    for backbone in plan.backbones:
        for method in plan.methods:
            by_origin: dict[str, list[str]] = {}
            values = plan.params(backbone, method, {})
            for name, origin in origins(plan, backbone, method).items():
                if origin != DEFAULT:
                    by_origin.setdefault(origin, []).append(f"{name}={values[name]}")
            if values and by_origin:
                parts = "; ".join(f"from {origin}: {', '.join(named)}" for origin, named in by_origin.items())
                lines.append(f"{method} on {backbone}: {parts}; else {DEFAULT}")
    return lines


def overruled(plan: Plan) -> list[str]:
    """A sentence for each method whose own row takes the place of values in the file's row."""
    sentences = []
    for backbone in plan.backbones:
        in_file = plan.file.row(backbone)
        for method in plan.methods:
            values = plan.defaults(method) | plan.row(backbone, method)
            other = [f"{k}={values[k]} instead of {v}" for k, v in in_file.items() if k in values and values[k] != v]
            if other:
                sentences.append(f"{method} on {backbone} has values of its own: {', '.join(other)} in {plan.name}")
    return sentences
