"""ViT-B/16 with a bottleneck of 256 before the classifier, as SDAT and MIC train it on VisDA-2017.

CAdD masks the tokens that enter the last block, EAdD the 256-vector that enters the classifier.
"""

from dta_bench.api import Network, pretrained

task = "classification"
channels = 3


def build(num_classes: int, weights: str = "none", image_size: tuple[int, int] | None = None) -> Network:
    network = pretrained.timm_network("vit_base_patch16_224", num_classes, weights, image_size)
    return pretrained.with_bottleneck(network)
