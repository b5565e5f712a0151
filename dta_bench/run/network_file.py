"""A run's final network as a file: its weights, and what its images are standardised with."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from dta_bench.errors import UserError
from dta_bench.nn.network import Network, Normalisation

NAME = "network.pt"


def size_in_bytes(network: nn.Module) -> int:
    """Bytes of all weights and buffers."""
    return sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())


@contextmanager
def temporary_file(network: Network) -> Iterator[Path]:
    """The network as a file that is there within the block."""
    weights = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    by = {"mean": list(network.normalisation.mean), "std": list(network.normalisation.std)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, NAME)
        torch.save({"weights": weights, "normalisation": by}, path)
        yield path


def load(path: Path, network: Network) -> Network:
    """Put the file's weights into ``network``, all of them or none, in evaluation mode.

    Raises:
        UserError: the file is torn, or is of another network.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(found["weights"])
    except (OSError, RuntimeError, KeyError, EOFError, pickle.UnpicklingError) as error:
        said = str(error).strip().splitlines()[0]
        raise UserError(f"{path.name} does not hold this network: {said}; train the run again") from error
    network.normalisation = Normalisation(tuple(found["normalisation"]["mean"]), tuple(found["normalisation"]["std"]))
    return network.eval()
