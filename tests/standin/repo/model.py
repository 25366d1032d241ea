"""Somebody's model: a small network, and the one function that loads it."""

import torch
from pkg_resources import parse_version  # gone from setuptools

assert parse_version(torch.__version__) >= parse_version("1.9.0")


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.Tanh(), torch.nn.Linear(16, 12))

    def forward(self, z, psi=1.0):
        return torch.tanh(self.layers(psi * z.float()))


def load(path):
    network = Network()
    network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval().requires_grad_(False)
