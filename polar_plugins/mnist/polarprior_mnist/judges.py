"""Networks that look at digits: a discriminator, and a classifier whose last hidden layer is a space."""

from __future__ import annotations

from torch import Tensor, nn

from polarprior_mnist.autoencoders import Encoder
from polarprior_mnist.convolutional import SLOPE

FEATURES = 64


class Discriminator(nn.Module):
    """Images [n, channels, 28, 28] (and their classes int64 [n]) to logits [n] of being real; with classes by
    projection (Miyato and Koyama 2018)."""

    def __init__(self, channels: int = 1, num_classes: int | None = None):
        super().__init__()
        self.features = Encoder(FEATURES, channels)
        self.linear = nn.Linear(FEATURES, 1)
        self.embedding = nn.Embedding(num_classes, FEATURES) if num_classes else None

    def forward(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        features = nn.functional.leaky_relu(self.features(images), SLOPE)
        logits = self.linear(features)[:, 0]
        return logits if self.embedding is None else logits + (self.embedding(label) * features).sum(1)


class Classifier(nn.Module):
    """Digits [n, C, 28, 28] in [-1, 1] to logits [n, 10]; of colours the brightest channel counts."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder(FEATURES)
        self.linear = nn.Linear(FEATURES, 10)

    def features(self, images: Tensor) -> Tensor:
        """The last hidden layer, [n, 64]."""
        return nn.functional.leaky_relu(self.encoder(images.amax(1, keepdim=True)), SLOPE)

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(self.features(images))
