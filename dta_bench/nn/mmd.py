"""Maximum mean discrepancy (MMD) from kernels: a sum of Gaussians (MK-MMD), or a product over layers (JMMD)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from dta_bench.nn.network import precision

ALPHAS = (0.125, 0.25, 0.5, 1.0, 2.0)
"""The bandwidths of the five Gaussians, as multiples of the mean squared distance (Long et al. 2015)."""

Bandwidth = Literal["all", "offdiag"]
Estimator = Literal["biased", "paired"]


def pairwise_squared_distances(rows: Tensor) -> Tensor:
    """||x_i - x_j||^2 of all pairs of rows (N, L), as (N, N), at least float32.

    One matrix product computes them all; the rows are centred first, which loses fewer digits.
    """
    with precision(rows.device, None):
        centred = rows.to(torch.promote_types(rows.dtype, torch.float32))
        centred = centred - centred.detach().mean(0)
        lengths = centred.square().sum(1)
        return (lengths[:, None] + lengths[None] - 2 * centred @ centred.T).clamp_min(0)


def multi_gaussian_kernel(rows: Tensor, bandwidth: Bandwidth = "all", alphas: Sequence[float] = ALPHAS) -> Tensor:
    """The sum of Gaussian kernels sum_u exp(-d_ij / (2 alpha_u mean d)) with d_ij = ||x_i - x_j||^2.

    Args:
        rows: (N, L).
        bandwidth: ``all`` takes the mean of d over all pairs, the zero diagonal included; ``offdiag`` without it. The
            mean is a constant to the gradient.
        alphas: one Gaussian each.

    Returns:
        The kernel of all pairs, (N, N).
    """
    d = pairwise_squared_distances(rows)
    pairs = d.numel() if bandwidth == "all" else d.numel() - len(d)
    mean = (d.detach().sum() / pairs).clamp_min(1e-8)
    return torch.stack([torch.exp(-d / (2 * alpha * mean)) for alpha in alphas]).sum(0)


def mmd_from_kernel(kernel: Tensor, sources: int, estimator: Estimator = "biased") -> Tensor:
    """MMD^2 of the source rows and the target rows, a scalar.

    Args:
        kernel: (N, N), of all pairs of rows, the source rows first.
        sources: how many of the N rows are source rows.
        estimator: ``biased`` is mean K_ss + mean K_tt - 2 mean K_st and never negative; ``paired`` is the mean of
            K_ss + K_tt - K_st - K_ts over i != j, unbiased, for as many source as target rows.
    """
    ss, tt, st = kernel[:sources, :sources], kernel[sources:, sources:], kernel[:sources, sources:]
    if estimator == "biased":
        return ss.mean() + tt.mean() - 2 * st.mean()
    h = ss + tt - st - st.T
    return (h.sum() - h.diagonal().sum()) / (sources * (sources - 1))


def mk_mmd(rows_s: Tensor, rows_t: Tensor, bandwidth: Bandwidth = "all", estimator: Estimator = "biased") -> Tensor:
    """MMD^2 of source rows (N, L) and target rows (M, L) with five Gaussian kernels, a scalar (Long et al. 2015)."""
    return mmd_from_kernel(multi_gaussian_kernel(torch.cat([rows_s, rows_t]), bandwidth), len(rows_s), estimator)
