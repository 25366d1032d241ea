"""The stock sampler without the stock script, and with nothing of a plugin in between.

    python stock_edm.py pictures CHECKOUT NETWORKS SEEDS CLASSES STEPS GUIDANCE FOLDER
    python stock_edm.py spectrum CHECKOUT NETWORKS SEEDS CLASSES STEPS GUIDANCE FILE.npy

NETWORKS is FILE.pkl or FILE.pkl+GNET.pkl. CLASSES is empty where the seeds draw their own, else one a seed.
`pictures` writes what the scripts write for the seeds as one batch, on the CPU; `spectrum` the singular values of the
Jacobian of each seed's picture, in float64, by reverse differentiation of the stock loop.
"""

import importlib
import pickle
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import torch


class Wide:
    """torch, but that its float32 is float64: stock code casts to what it calls float32."""

    float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


def widened(network):
    """The network in float64, whose modules cast to that."""
    for layer in network.modules():
        names = type(layer).forward.__globals__
        if "torch_utils" in str(names.get("persistence")) and names["torch"] is torch:
            names["torch"] = Wide()
    return network.double()


def opened(path):
    with open(path, "rb") as file:
        return pickle.load(file)["ema"]


def main(what, checkout, networks, seeds, classes, steps, guidance, out):
    if find_spec("distutils") is None:  # of which EDM imports a function that nothing here needs
        sys.modules["distutils"] = sys.modules["distutils.util"] = SimpleNamespace(strtobool=bool)
    sys.path.insert(0, checkout)
    old = (Path(checkout) / "generate.py").is_file()
    script = importlib.import_module("generate" if old else "generate_images")
    nets = [opened(path) for path in networks.split("+")]
    net = nets[0]
    seeds = [int(seed) for seed in seeds.split(",")]
    stream = script.StackedRandomGenerator(torch.device("cpu"), seeds)
    latents = stream.randn([len(seeds), net.img_channels, net.img_resolution, net.img_resolution])
    labels = None
    if net.label_dim:
        drawn = stream.randint(net.label_dim, size=[len(seeds)])
        labels = torch.eye(net.label_dim)[[int(c) for c in classes.split(",")] if classes else drawn]
    options = {"num_steps": int(steps), "randn_like": stream.randn_like}
    if not old:
        options |= {"guidance": float(guidance), "gnet": nets[-1]}
    if what == "pictures":
        pictures(script.edm_sampler(net, latents, labels, **options), seeds, Path(out))
    else:
        if not old:
            options["dtype"] = torch.float64
        nets = [widened(each) for each in nets]

        def image(z, label):
            return script.edm_sampler(nets[0], z, label, **{**options, "randn_like": torch.zeros_like})

        rows = [
            (latents[i : i + 1].double(), labels[i : i + 1] if net.label_dim else None) for i in range(len(seeds))
        ]
        dense = [torch.autograd.functional.jacobian(lambda z, c=c: image(z, c), z) for z, c in rows]
        width = rows[0][0].numel()
        np.save(out, [torch.linalg.svdvals(each.reshape(width, width)).numpy() for each in dense])


def pictures(images, seeds, folder):
    folder.mkdir(exist_ok=True)
    pixels = (images.to(torch.float32) * 127.5 + 128).clip(0, 255).to(torch.uint8)
    for i, (seed, picture) in enumerate(zip(seeds, pixels.permute(0, 2, 3, 1).numpy(), strict=True)):
        PIL.Image.fromarray(picture, "RGB").save(folder / f"{i}-{seed:06d}.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
