"""9 Conv + 1 FC of French et al., the paper's net for SVHN, CIFAR and STL (32 px; 3,123,850 weights at 10 classes).

The paper does not say where it masks this network. Here CAdD masks the map that enters the last convolution, EAdD the
128-vector that enters the linear layer. With ``quirk`` the two 1x1 convolutions are padded by 1 and only the top-left
6x6 pixels of the 10x10 map are pooled, as in French's released code.
"""

from torch import nn

from dta_bench.api import Network, UserError

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
