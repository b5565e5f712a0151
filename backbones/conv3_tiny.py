"""3 Conv + 2 FC with strides, a tenth of conv3_fc2's work (grey 28 px): for whole grids on two CPU cores.

Not in the paper. CAdD masks the 100-channel map that enters the last convolution, EAdD the 128-vector that enters the
last linear layer. With 100 channels every delta_c of the paper's sets (0.01, 0.02, 0.05) flips at least one channel, so
that its 120 points are 120 different objectives; with 64 channels delta_c = 0.01 would be the same as 0.
"""

from torch import nn

from dta_bench.api import Network, UserError

task = "classification"
channels = 1


def build(num_classes: int, weights: str = "none") -> Network:
    if weights != "none":
        raise UserError(f"conv3_tiny has no pretrained weights, but weights are {weights!r}; allowed: none")
    body = nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 100, 3, stride=2), nn.BatchNorm2d(100), nn.ReLU(),
    )  # fmt: skip
    neck = nn.Sequential(
        nn.Conv2d(100, 32, 3), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(3),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(288, 128), nn.ReLU(),
    )  # fmt: skip
    return Network(body, neck, nn.Linear(128, num_classes))
