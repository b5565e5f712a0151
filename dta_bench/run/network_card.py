"""The card that lies in a network's file: what the network is, what it takes, what it was trained on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from dta_bench.data.benchmark_plugin import benchmark_of, benchmark_plugin
from dta_bench.errors import UserError
from dta_bench.nn.network import Normalisation
from dta_bench.spec.benchmark import Benchmark
from dta_bench.spec.run_spec import RunSpec

BuiltBy = Literal["backbone", "method"]


@dataclass(frozen=True)
class NetworkCard:
    """All that predictions need besides weights, and the code of the backbone and the method.

    Attributes:
        spec: the run's, as a plain dict.
        benchmark: class names, task, image size and standardisation; at the image size and crop of the training.
        channels: of the network's input, 1 or 3.
        normalisation: what images are standardised with, unless the benchmark standardises each image by itself.
        target_size: images of target train, which some methods need to build their modules.
        built_by: ``backbone`` where the trained backbone alone predicts, ``method`` where the method's modules do.
        bits: how many bits of the target's images of 16 bits hold numbers; None: all 16.
        provenance: commit, command, fingerprints and versions of the run, by the names of their MLflow tags.
        format: version of this card.
    """

    spec: dict[str, Any]
    benchmark: Benchmark
    channels: int
    normalisation: Normalisation
    target_size: int
    built_by: BuiltBy
    bits: int | None = None
    provenance: dict[str, str] = field(default_factory=dict)
    format: Literal[1] = 1

    @cached_property
    def run_spec(self) -> RunSpec:
        """The specification of the run."""
        return RunSpec.read_stored(self.spec)[0]

    def of_stage(self, spec: RunSpec) -> NetworkCard:
        """The same card for another stage of the run."""
        return replace(self, spec=spec.to_dict())

    def to_json(self) -> str:
        """The card as JSON."""
        return TypeAdapter(NetworkCard).dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> NetworkCard:
        """The inverse of :meth:`to_json`.

        Raises:
            UserError: the text is no card, or one of a newer version.
        """
        try:
            card = TypeAdapter(cls).validate_json(text)
            unknown = RunSpec.read_stored(card.spec)[1]
            if unknown:
                raise ValueError(f"its run has {', '.join(unknown)}, of a newer version")
        except (ValidationError, ValueError, TypeError, KeyError) as error:
            reason = str(error).strip().splitlines()[-1].strip()
            raise UserError(f"it has no card that this version of dta-bench reads ({reason})") from error
        return card


def card_of(
    spec: RunSpec,
    channels: int,
    normalisation: Normalisation,
    target_size: int,
    built_by: BuiltBy = "backbone",
    provenance: dict[str, str] | None = None,
) -> NetworkCard:
    """The card of a run's network, with what the benchmark's file says.

    Raises:
        UserError: no such benchmark.
    """
    benchmark = benchmark_of(spec.benchmark).for_training(spec.training)
    bits = benchmark_plugin(spec.benchmark).bits
    return NetworkCard(
        spec.to_dict(), benchmark, channels, normalisation, target_size, built_by, bits, provenance or {}
    )
