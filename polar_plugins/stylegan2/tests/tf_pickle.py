"""Writes StyleGAN2 networks of the stock PyTorch classes as TensorFlow's version of them is pickled.

    python tf_pickle.py CHECKOUT SMALL.pkl TF.pkl

That is a tuple of three ``dnnlib.tflib.network.Network``: generator, discriminator, averaged generator. What is read
of each is its version, its keyword arguments, its variables by their names in TensorFlow, and its components.
"""

from __future__ import annotations

import pickle
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np

MODULE = "dnnlib.tflib.network"


class Network:
    """What stands in the pickle for a network of TensorFlow."""

    def __init__(self, static_kwargs, variables, **components):
        self.version = 5
        self.static_kwargs = static_kwargs
        self.variables = list(variables.items())
        self.components = components


def pickled(generator, discriminator, average) -> bytes:
    """The three networks; Python looks for their class in the module that the pickle names."""
    module = ModuleType(MODULE)
    module.Network = type("Network", (Network,), {"__module__": MODULE, "__qualname__": "Network"})
    before = sys.modules.get(MODULE)
    sys.modules[MODULE] = module
    try:
        networks = (_generator(module, generator), _discriminator(module, discriminator), _generator(module, average))
        return pickle.dumps(networks)
    finally:
        if before is None:
            del sys.modules[MODULE]
        else:
            sys.modules[MODULE] = before


def _convolution(weight: np.ndarray) -> np.ndarray:
    """[out, in, h, w] to TensorFlow's [h, w, in, out]."""
    return weight.transpose(2, 3, 1, 0)


def _flipped(weight: np.ndarray) -> np.ndarray:
    """The same of a transposed convolution, whose kernel is turned round."""
    return _convolution(weight)[::-1, ::-1]


def _noise(resolution: str, which: int) -> str:
    return f"noise{int(np.log2(int(resolution))) * 2 - 5 + which}"


GENERATOR = (
    (r"mapping\.w_avg", lambda: "dlatent_avg", lambda x: x),
    (r"mapping\.fc(\d+)\.weight", "mapping/Dense{}/weight".format, np.transpose),
    (r"mapping\.fc(\d+)\.bias", "mapping/Dense{}/bias".format, lambda x: x),
    (r"synthesis\.b4\.const", lambda: "synthesis/4x4/Const/const", lambda x: x[None]),
    (r"synthesis\.b(\d+)\.conv(0)\.weight", lambda r, i: f"{_layer(r, i)}/weight", _flipped),
    (r"synthesis\.b(\d+)\.conv(1)\.weight", lambda r, i: f"{_layer(r, i)}/weight", _convolution),
    (r"synthesis\.b(\d+)\.conv(\d)\.bias", lambda r, i: f"{_layer(r, i)}/bias", lambda x: x),
    (r"synthesis\.b(\d+)\.conv(\d)\.noise_const", lambda r, i: f"synthesis/{_noise(r, int(i))}",
     lambda x: x[None, None]),
    (r"synthesis\.b(\d+)\.conv(\d)\.noise_strength", lambda r, i: f"{_layer(r, i)}/noise_strength", lambda x: x),
    (r"synthesis\.b(\d+)\.conv(\d)\.affine\.weight", lambda r, i: f"{_layer(r, i)}/mod_weight", np.transpose),
    (r"synthesis\.b(\d+)\.conv(\d)\.affine\.bias", lambda r, i: f"{_layer(r, i)}/mod_bias", lambda x: x - 1),
    (r"synthesis\.b(\d+)\.torgb\.weight", "synthesis/{0}x{0}/ToRGB/weight".format, _convolution),
    (r"synthesis\.b(\d+)\.torgb\.bias", "synthesis/{0}x{0}/ToRGB/bias".format, lambda x: x),
    (r"synthesis\.b(\d+)\.torgb\.affine\.weight", "synthesis/{0}x{0}/ToRGB/mod_weight".format, np.transpose),
    (r"synthesis\.b(\d+)\.torgb\.affine\.bias", "synthesis/{0}x{0}/ToRGB/mod_bias".format, lambda x: x - 1),
)  # fmt: skip
DISCRIMINATOR = (
    (r"b(\d+)\.fromrgb\.weight", "{0}x{0}/FromRGB/weight".format, _convolution),
    (r"b(\d+)\.fromrgb\.bias", "{0}x{0}/FromRGB/bias".format, lambda x: x),
    (r"b(\d+)\.conv0\.weight", "{0}x{0}/Conv0/weight".format, _convolution),
    (r"b(\d+)\.conv0\.bias", "{0}x{0}/Conv0/bias".format, lambda x: x),
    (r"b(\d+)\.conv1\.weight", "{0}x{0}/Conv1_down/weight".format, _convolution),
    (r"b(\d+)\.conv1\.bias", "{0}x{0}/Conv1_down/bias".format, lambda x: x),
    (r"b(\d+)\.skip\.weight", "{0}x{0}/Skip/weight".format, _convolution),
    (r"b4\.conv\.weight", lambda: "4x4/Conv/weight", _convolution),
    (r"b4\.conv\.bias", lambda: "4x4/Conv/bias", lambda x: x),
    (r"b4\.fc\.weight", lambda: "4x4/Dense0/weight", np.transpose),
    (r"b4\.fc\.bias", lambda: "4x4/Dense0/bias", lambda x: x),
    (r"b4\.out\.weight", lambda: "Output/weight", np.transpose),
    (r"b4\.out\.bias", lambda: "Output/bias", lambda x: x),
)
"""(name in PyTorch, the name in TensorFlow, what becomes of the numbers)."""


def _layer(resolution: str, which: str) -> str:
    name = "Conv" if resolution == "4" else ("Conv0_up", "Conv1")[int(which)]
    return f"synthesis/{resolution}x{resolution}/{name}"


def _variables(network, table) -> dict[str, np.ndarray]:
    found = {}
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        if name.endswith("resample_filter"):
            continue
        ((groups, rename, change),) = [
            (match.groups(), rename, change)
            for pattern, rename, change in table
            if (match := re.fullmatch(pattern, name))
        ]
        found[rename(*groups)] = change(tensor.detach().cpu().numpy())
    return found


def _generator(module, network):
    synthesis = network.synthesis
    block = getattr(synthesis, f"b{network.img_resolution}")
    kwargs = {
        "latent_size": network.z_dim, "label_size": 0, "dlatent_size": network.w_dim, "num_channels": 3,
        "resolution": network.img_resolution, "mapping_layers": network.mapping.num_layers, "fmap_base": 512,
        "fmap_max": 32, "num_fp16_res": 2, "conv_clamp": block.conv1.conv_clamp, "structure": "fixed",
    }  # fmt: skip
    variables = _variables(network, GENERATOR)
    parts = {
        part: module.Network({}, {name.removeprefix(f"{part}/"): value for name, value in variables.items()
                                  if name.startswith(f"{part}/")})
        for part in ("mapping", "synthesis")
    }  # fmt: skip
    return module.Network(kwargs, {"dlatent_avg": variables["dlatent_avg"]}, **parts)


def _discriminator(module, network):
    kwargs = {"label_size": 0, "num_channels": 3, "resolution": network.img_resolution, "fmap_base": 512}
    kwargs |= {"fmap_max": 32, "num_fp16_res": 2, "conv_clamp": 256, "mbstd_group_size": 4}
    return module.Network(kwargs, _variables(network, DISCRIMINATOR))


if __name__ == "__main__":
    checkout, small, out = sys.argv[1:]
    sys.path.insert(0, checkout)
    import legacy

    with open(small, "rb") as file:
        content = legacy.load_network_pkl(file)
    Path(out).write_bytes(pickled(content["G"], content["D"], content["G_ema"]))
