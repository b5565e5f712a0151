"""9 Conv + 1 FC of French et al. (SVHN-MNIST, CIFAR-STL, RGB 32 px; 3,123,850 parameters at 10 classes).

The paper does not say where it masks this net: CAdD is put on the map that enters the last convolution,
EAdD on the 128-vector that enters the Linear. ``quirk``: as French's released code, pad the two
1x1 convolutions by 1 and pool the top-left 6x6 of 10x10.
"""

from torch import nn

from dta_bench.errors import UserError
from dta_bench.nn.network import Network

task = "classification"
channels = 3


def build(num_classes: int, weights: str = "none", *, quirk: bool = False) -> Network:
    if weights != "none":
        raise UserError(f"conv9_fc1 has no pretrained weights, but weights are {weights!r}; allowed: none")

    def conv(inputs: int, outputs: int, size: int, padding: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, size, padding=padding), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]

    body = nn.Sequential(
        *conv(3, 128, 3, 1), *conv(128, 128, 3, 1), *conv(128, 128, 3, 1), nn.MaxPool2d(2), nn.Dropout(0.5),
        *conv(128, 256, 3, 1), *conv(256, 256, 3, 1), *conv(256, 256, 3, 1), nn.MaxPool2d(2), nn.Dropout(0.5),
        *conv(256, 512, 3, 0), *conv(512, 256, 1, int(quirk)),
    )  # fmt: skip
    pool = nn.AvgPool2d(6) if quirk else nn.AdaptiveAvgPool2d(1)
    return Network(body, nn.Sequential(*conv(256, 128, 1, int(quirk)), pool, nn.Flatten()), nn.Linear(128, num_classes))
