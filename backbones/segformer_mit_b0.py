"""SegFormer-B0 (Xie et al., NeurIPS 2021): a Mix Transformer and a decoder of linear layers.

CAdD masks the 256-channel map of stride 32, EAdD the decoder's 256-channel map of stride 4.
"""

from dta_bench.api import Network, pretrained

task = "segmentation"
channels = 3


def build(num_classes: int, weights: str = "none", image_size: tuple[int, int] | None = None) -> Network:
    return pretrained.smp_network("segformer", "mit_b0", num_classes, weights, image_size)
