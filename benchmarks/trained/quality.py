"""Are the trained networks any good? Against held-out pictures, beside the data's own halves and two marks.

    POLARPRIOR_VENDOR=CHECKOUTS python benchmarks/trained/quality.py [stylegan2_ada digits] ...

All kept weights where none are named. Fréchet distance of 10,000 draws to the 10,000 held-out pictures, precision and
recall, in two spaces; for digits the share of draws on which two classifiers agree, one of `polarprior-mnist`, and
one that is trained here on other pictures' shifts (`polarprior_pagan.classifier`), and how sure the first is. Beside
them the same network with random weights, ``mnist:wgan``, and training pictures in place of draws. Each network is
looked at in a process of its own, since stock repositories share names of modules. Results: ``results/quality.json``,
and a picture of a network in ``docs/trained``.
"""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polarprior as pp
import torch
from apart import OPTION, RESULTS, look_at, named, read
from polarprior.images.pictures import as_image, from_uint8, to_uint8
from polarprior.metrics.frechet import Moments, frechet_distance
from polarprior.metrics.manifold import fidelity
from polarprior_pagan.classifier import Classifier, trained
from polarprior_pagan.data import Images
from safetensors.torch import load_file, save_file
from sets import CACHE, HELD_OUT, SIZE, pictures
from torch import Tensor
from weights import build, weights_file

DOCS = Path(__file__).parents[2] / "docs" / "trained"
SPACES = {
    "digits": ("mnist:classifier", "mnist:encoder"),
    "faces": ("perceptual:efficientnet-lite0", "pixel"),
}
LOGITS = "mnist:classifier-logits"
BORDER = (SIZE - 28) // 2
COMPARED, BATCH, MARK = 5_000, 250, "mnist:wgan"


def seen(name: str) -> Callable[[Tensor], Tensor]:
    """What spaces look at in images [n, C, 32, 32]: of digits the 28 x 28 pixels that MNIST has, grey."""
    if name == "digits":
        return lambda images: (
            images.mean(1, keepdim=True)[..., BORDER:-BORDER, BORDER:-BORDER] if images.shape[-1] == SIZE else images
        )
    return lambda images: images


def model_of(family: str, name: str, random: bool = False) -> str:
    """The model as the command line names it; its checkpoint is built once for these weights and this recipe."""
    module = importlib.import_module(family)
    digest = sha256(weights_file(family, name).read_bytes() + Path(str(module.__file__)).read_bytes()).hexdigest()[:8]
    folder = CACHE / "checkpoints" / digest
    path = folder / f"{family}-{name}{'-random' if random else ''}{module.SUFFIX}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder) as scratch:
            build(family, name, Path(scratch) / path.name, random).replace(path)
    return f"{module.PLUGIN}:{module.opened(path)}"


def drawn(generator: pp.Generator, count: int) -> Tensor:
    """Images of the model's own prior as their bytes say; classes come in turn."""
    labels = torch.arange(count) % (generator.num_classes or 1)
    found = []
    for start in range(0, count, BATCH):
        seeds = range(start, min(start + BATCH, count))
        z = generator.prior.draw(seeds, 0 if generator.num_classes else None).z
        which = labels[start : start + len(seeds)] if generator.num_classes else None
        with torch.no_grad():
            found.append(from_uint8(to_uint8(generator(pp.Latents(z, which)))))
    return torch.cat(found)


@cache
def held_out(name: str) -> dict[str, tuple[Tensor, Moments]]:
    """Features of the held-out pictures and their moments, by space."""
    return {space: (each, Moments.of(each)) for space, each in features(real(name, "test"), name).items()}


def real(name: str, part: str) -> Tensor:
    """Pictures of a set as a generator gives them, [n, C, 32, 32]."""
    images = pictures(name, part).images
    return from_uint8(images if images.ndim == 4 else images[..., None])


def features(images: Tensor, name: str) -> dict[str, Tensor]:
    """Features [n, D] of images, by space."""
    shown = seen(name)(images)
    looking = pp.load(MARK, "cpu")
    found = {}
    for space in SPACES[name]:
        phi = pp.feature_map(looking, space)
        with torch.no_grad():
            found[space] = torch.cat([phi(each) for each in shown.split(BATCH)])
    return found


def figures(images: Tensor, name: str) -> dict[str, Any]:
    """What is measured of 10,000 images of a set."""
    row: dict[str, Any] = {}
    for space, each in features(images, name).items():
        there, moments = held_out(name)[space]
        near = fidelity(there[:COMPARED], each[:COMPARED])
        row[space] = {
            "fid": frechet_distance(moments, each),
            "precision": near.precision,
            "recall": near.recall,
        }
    return row | (_read(images) if name == "digits" else {})


def _read(images: Tensor) -> dict[str, float]:
    """How two classifiers read digits: agreement, and the mean probability that the first gives to its answer."""
    shown = seen("digits")(images)
    padded = torch.nn.functional.pad(shown, [BORDER] * 4, value=-1.0)
    first, second = pp.feature_map(pp.load(MARK, "cpu"), LOGITS), _second()
    with torch.no_grad():
        logits = torch.cat([first(each) for each in shown.split(BATCH)])
        others = torch.cat([second(each) for each in padded.split(BATCH)])
    counts = torch.bincount(logits.argmax(1), minlength=10) / len(logits)
    return {
        "agreement": float((logits.argmax(1) == others.argmax(1)).double().mean()),
        "confidence": float(logits.softmax(1).amax(1).mean()),
        "rarest": float(counts.min()),
    }


@cache
def _second() -> Classifier:
    """The second classifier, trained once and kept."""
    path = CACHE / "second-classifier.safetensors"
    network = Classifier(SIZE, 1, 10)
    if not path.exists():
        shown = pictures("digits", "train")
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(trained(Images(shown.images[..., None], shown.labels)).state_dict(), path)
    network.load_state_dict(load_file(path))
    return network.eval().requires_grad_(False)


def sheet(images: Tensor, path: Path) -> None:
    """Write the first 80 images as a picture of 8 rows."""
    pixels = to_uint8(images[:80])
    rows = pixels.reshape(8, 10, *pixels.shape[1:]).transpose(0, 2, 1, 3, 4)
    whole = rows.reshape(8 * SIZE, 10 * SIZE, -1).repeat(2, axis=0).repeat(2, axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    as_image(whole).save(path, optimize=True)


def look(family: str, name: str) -> dict[str, Any]:
    """The rows of a network: as trained, and with random weights."""
    rows = {}
    for kind, random in (("trained", False), ("random", True)):
        images = drawn(pp.load(model_of(family, name, random), "cpu"), HELD_OUT)
        rows[kind] = figures(images, name)
        if not random:
            sheet(images, DOCS / f"{family}-{name}.png")
    return rows


def marks(name: str) -> dict[str, Any]:
    """The rows that every network of a set stands beside."""
    found = {"training pictures": figures(real(name, "train")[:HELD_OUT], name)}
    if name == "digits":
        found[MARK] = figures(drawn(pp.load(MARK, "cpu"), HELD_OUT), name)
    return found


def main() -> None:
    """Look at what is named, or at all that is kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", help="a family and a set, such as stylegan2_ada digits")
    parser.add_argument(OPTION, type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.here:
        one = marks(*asked.what) if len(asked.what) == 1 else look(*asked.what)
        asked.here.write_text(json.dumps(one))
        return
    path, names = RESULTS / "quality.json", named(asked.what)
    missing = sorted({(each[1],) for each in names if each[1] not in read(path)})
    look_at(__file__, [*missing, *names], path)


if __name__ == "__main__":
    main()
