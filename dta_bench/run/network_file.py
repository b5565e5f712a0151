"""A run's final network as a file: its weights, and the mean and deviation of its input images."""

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
    """Count the bytes of all weights and buffers."""
    return sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())


@contextmanager
def temporary_file(network: Network) -> Iterator[Path]:
    """Write the network to a file that is removed at the end of the block."""
    weights = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    normalisation = {"mean": list(network.normalisation.mean), "std": list(network.normalisation.std)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, NAME)
        torch.save({"weights": weights, "normalisation": normalisation}, path)
        yield path


def load(path: Path, network: Network) -> Network:
    """Load a file's weights into ``network``.

    Args:
        network: of the same architecture; its weights are replaced.

    Returns:
        The network in evaluation mode.

    Raises:
        UserError: the file is torn, or holds another network.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(saved["weights"])
    except (OSError, RuntimeError, KeyError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{path.name} does not hold this network: {reason}; train the run again") from error
    network.normalisation = Normalisation(tuple(saved["normalisation"]["mean"]), tuple(saved["normalisation"]["std"]))
    return network.eval()
