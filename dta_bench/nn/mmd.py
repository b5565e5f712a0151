"""Maximum mean discrepancy with a sum of Gaussian kernels (MK-MMD), and with products of kernels over layers (JMMD)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from dta_bench.nn.network import precision

ALPHAS = (0.125, 0.25, 0.5, 1.0, 2.0)
"""Bandwidths as multiples of the mean squared distance (Long et al. 2015)."""

Bandwidth = Literal["all", "offdiag"]
Estimator = Literal["biased", "paired"]


def squared_distances(rows: Tensor) -> Tensor:
    """||x_i - x_j||^2 of all pairs, (N, N), at least float32; by one matrix product of the centred rows."""
    with precision(rows.device, None):
        centred = rows.to(torch.promote_types(rows.dtype, torch.float32))
        centred = centred - centred.detach().mean(0)
        lengths = centred.square().sum(1)
        return (lengths[:, None] + lengths[None] - 2 * centred @ centred.T).clamp_min(0)


def gaussians(rows: Tensor, bandwidth: Bandwidth = "all", alphas: Sequence[float] = ALPHAS) -> Tensor:
    """sum_u exp(-d_ij / (2 alpha_u mean d)), (N, N); the mean is a constant to the gradient.

    ``all`` takes the mean over all pairs with the zero diagonal, ``offdiag`` over the others.
    """
    d = squared_distances(rows)
    pairs = d.numel() if bandwidth == "all" else d.numel() - len(d)
    mean = (d.detach().sum() / pairs).clamp_min(1e-8)
    return torch.stack([torch.exp(-d / (2 * alpha * mean)) for alpha in alphas]).sum(0)


def mmd(kernel: Tensor, sources: int, estimator: Estimator = "biased") -> Tensor:
    """MMD^2 of the first ``sources`` rows and the rest, a scalar, from the kernel of all pairs.

    ``biased``: mean K_ss + mean K_tt - 2 mean K_st, never negative. ``paired``: the mean of K_ss + K_tt - K_st - K_ts
    over i != j, unbiased for equal sizes.
    """
    ss, tt, st = kernel[:sources, :sources], kernel[sources:, sources:], kernel[:sources, sources:]
    if estimator == "biased":
        return ss.mean() + tt.mean() - 2 * st.mean()
    h = ss + tt - st - st.T
    return (h.sum() - h.diagonal().sum()) / (sources * (sources - 1))


def mk_mmd(rows_s: Tensor, rows_t: Tensor, bandwidth: Bandwidth = "all", estimator: Estimator = "biased") -> Tensor:
    """MMD^2 of two sets of rows (N, L) with five Gaussian kernels, a scalar."""
    return mmd(gaussians(torch.cat([rows_s, rows_t]), bandwidth), len(rows_s), estimator)
