"""3 Conv + 2 FC of French et al., the paper's net for MNIST and USPS (grey 28 px; 321,546 weights at 10 classes).

The paper does not say where it masks this network. Here, as in its ResNets, CAdD masks the map that enters the last
convolution, EAdD the 256-vector that enters the last linear layer.
"""

from torch import nn

from dta_bench.api import Network, UserError

task = "classification"
channels = 1


def build(num_classes: int, weights: str = "none") -> Network:
    if weights != "none":
        raise UserError(f"conv3_fc2 has no pretrained weights, but weights are {weights!r}; allowed: none")
    body = nn.Sequential(
        nn.Conv2d(1, 32, 5), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.BatchNorm2d(64), nn.ReLU(),
    )  # fmt: skip
    neck = nn.Sequential(
        nn.Conv2d(64, 64, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(1024, 256), nn.ReLU(),
    )  # fmt: skip
    return Network(body, neck, nn.Linear(256, num_classes))
