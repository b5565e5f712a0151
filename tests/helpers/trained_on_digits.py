"""A small convolutional network with dropout, trained for a second on scikit-learn's digits."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from dta_bench.nn.network import DropoutSite, Network


class TrainedOnDigits:
    """A small convolutional network, briefly trained on scikit-learn's digits, and images it has not seen."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        images, labels = load_digits(return_X_y=True)
        x, y = torch.tensor(images / 8 - 1, dtype=torch.float32).view(-1, 1, 8, 8), torch.tensor(labels)
        body = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 40, 3, padding=1), nn.BatchNorm2d(40), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        neck = nn.Sequential(
            nn.Conv2d(40, 40, 3, padding=1), nn.BatchNorm2d(40), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Dropout(0.5), nn.Linear(160, 100), nn.ReLU(),
        )  # fmt: skip
        self.net, self.images = Network(body, neck, nn.Linear(100, 10)), x[1500:1628]
        optimizer = torch.optim.Adam(self.net.parameters(), 1e-3)
        for batch in torch.randint(1500, (80, 64)):
            optimizer.zero_grad()
            nn.functional.cross_entropy(self.net(x[batch]), y[batch]).backward()
            optimizer.step()
        self.net.zero_grad(set_to_none=True)

    def sites(self, name: str) -> tuple[DropoutSite, Tensor]:
        features = self.net.features(self.images)
        if name == "feature":
            return self.net.feature_dropout(features), features.activation
        return self.net.classifier_dropout(), self.net.hidden(features)
