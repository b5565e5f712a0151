"""A small U-Net of 0.3 million weights for drawn scenes on a CPU, without pretrained weights. Not in the paper.

CAdD masks the 96-channel map of stride 16, EAdD the decoder's 16-channel map. There is a channel dropout above CAdD's
mask, so DTA works with ``start: ones`` too.
"""

from dta_bench.api import Network, UserError, pretrained

task = "segmentation"
channels = 3


def build(num_classes: int, weights: str = "none") -> Network:
    if weights != "none":
        raise UserError(f"it has no pretrained weights, but weights are {weights!r}; allowed: none")
    return pretrained.small_unet(num_classes)
