"""Writes docs/paper.md and its pictures from ``results/``: the paper's figures and tables beside what came out here.

    python benchmarks/paper/page.py [--out docs]

Verdicts are computed: *agrees* or *disagrees* where a 95% interval over the banks lies on one side of 0, *undecided*
where it doesn't.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

RESULTS = Path(__file__).parent / "results"


class Section(NamedTuple):
    """A part of the page.

    Attributes:
        title: what it is about.
        figures: of the paper.
        claim: the paper's, in a sentence.
        experiment: the script, whose `tell` makes markdown of its results.
        official: what the paper's own models would need.
    """

    title: str
    figures: str
    claim: str
    experiment: str
    official: str


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "docs")
    out = parser.parse_args().out
    pictures = out / "paper"
    pictures.mkdir(parents=True, exist_ok=True)
    parts, of_halves = [(Path(__file__).parent / "introduction.md").read_text()], _of_halves()
    for section in SECTIONS:
        script = f"`python benchmarks/paper/{section.experiment}.py`"
        parts.append(f"## {section.title}: {section.figures}\n\n*The paper*: {section.claim}\n")
        path = RESULTS / f"{section.experiment}.json"
        if path.exists():
            results = json.loads(path.read_text())
            told = import_module(section.experiment).tell(results, pictures)
            parts.append(f"*Here* ({script}, {results['cpu_minutes']:g} CPU minutes): {told}\n")
            if word := in_a_word(told):
                parts.append(f"*In a word*: {word}\n")
            if "fid" in told.lower() and "halves" not in told.lower():
                parts.append(of_halves)
        else:
            parts.append(f"*Here*: not run yet; {script} does.\n")
        parts.append(f"*With the paper's models* (official weights and a GPU; not run here): {section.official}\n")
    (out / "paper.md").write_text("\n".join(parts).rstrip() + "\n")
    print(f"{out / 'paper.md'}: {len(SECTIONS)} parts")


def in_a_word(told: str) -> str:
    """A sentence that sums up the verdicts of a part, those in its tables, its list and its first words; none where
    there are none."""
    first, colon, _ = told.split("\n", 1)[0].partition(":")
    lines = [first if colon else "", *(line for line in told.splitlines() if line.startswith(("|", "- ")))]
    found = Counter(re.findall(r"\b(?:agrees|disagrees|undecided)\b", "\n".join(lines)))
    if not found:
        return ""
    agree, against = found["agrees"], found["disagrees"]
    word = "agrees" if agree and not against else "disagrees" if against and not agree else "undecided"
    said = f"of {found.total()} verdicts {agree} agree, {against} disagree, {found['undecided']} are undecided"
    return f"**{word}{' as a whole' if agree and against else ''}**; {said}."


def _of_halves() -> str:
    """What a FID of 0 looks like: two halves of the real images."""
    path = RESULTS / "pareto.json"
    if not path.exists():
        return ""
    halves = next(iter(json.loads(path.read_text())["halves"].values()))["mnist:classifier"]
    return f"For scale: the FID of two halves of the grey test digits, 5,000 each, is {halves['fid']:.3f}.\n"


SECTIONS = (
    Section(
        "Planar generators",
        "Fig. 11",
        "rho < 0 concentrates samples on the modes of a WGAN's distribution, rho > 0 on its anti-modes.",
        "toy",
        "none needed.",
    ),
    Section(
        "Precision and recall, polarity against truncation",
        "Fig. 1, 3, 4, 8 (top), 16-18",
        "rho < 0 raises precision, rho > 0 recall, and at any precision polarity has a higher recall than "
        "truncation.",
        "pareto",
        "`polarprior sweep stylegan3:ffhq.pkl --bank ffhq.safetensors --reference ffhq.zip --metric-space "
        "perceptual:vgg16 --samples 50000 --truncations 0.5,0.6,0.7,0.8,0.9 --out sweep`",
    ),
    Section(
        "The same with fresh latents",
        "Fig. 1",
        "as above; what a bank repeats plays no part here.",
        "online",
        "`polarprior sample stylegan3:ffhq.pkl --bank ffhq.safetensors --sampler online --polarity=-0.05 --seeds "
        "0-49999 --npz fresh.npz`",
    ),
    Section(
        "Polarity beside other ways to choose latents",
        "Tab. 1",
        "with rho 0.2 in VGG's space the FID of StyleGAN2 on LSUN churches is below that of SIR, DOT, latentRS and "
        "latentRS+GA.",
        "rivals",
        "`polarprior sweep stylegan2:church.pkl --bank church-vgg.safetensors --polarity 0,0.2 --reference "
        "church.zip "
        "--metric-space perceptual:inception --samples 50000 --out church`; the rivals need a discriminator: "
        "`--sampler rivals:sir`.",
    ),
    Section(
        "How many latents, how many singular values",
        "Fig. 2, 9, Tab. 3, 4",
        "the best FID, precision and recall improve with N and settle near 200,000 to 300,000; k near 40 is best.",
        "bank_size",
        "`polarprior bank build stylegan2:ffhq.pkl -n 500000 -k 100 --out ffhq`, then `polarprior tune` on "
        "parts of it.",
    ),
    Section(
        "The best rho of each model and space",
        "Tab. 2",
        "for every model some rho other than 0 improves the FID.",
        "best_rho",
        "`polarprior tune stylegan2:ffhq.pkl --bank ffhq-inception.safetensors --reference ffhq.zip --minimise fid "
        "--metric-space perceptual:inception --samples 50000`",
    ),
    Section(
        "Truncated models",
        "C.3",
        "where psi < 1, rho > 0 improves the FID most: by 0.69, 8.11 and 11.1 at psi 0.9, 0.7 and 0.5.",
        "truncated",
        "`polarprior bank build stylegan2:ffhq.pkl -n 250000 -k 30 --trunc 0.7 --out ffhq-0.7`, then "
        "`polarprior tune stylegan2:ffhq.pkl --bank ffhq-0.7 --reference ffhq.zip --minimise fid --metric-space "
        "perceptual:inception --samples 50000`",
    ),
    Section(
        "What draws look like",
        "Fig. 1, 4, 5, 12, 16-18",
        "rho < 0 gives typical pictures, often nearly the same one, rho > 0 rare ones.",
        "pictures",
        "`polarprior sweep stylegan3:afhqv2.pkl --bank BANK --polarity=-2,-1,-0.5,-0.2,0,0.01,0.1,0.2,0.5 "
        "--trunc 0.9 --seeds 0-15 --force --out sweep`",
    ),
    Section(
        "Modes and their nearest training images",
        "Fig. 6, 15",
        "towards the modes a VAE's draws come much nearer to training images, a GAN's hardly; modes are mostly ones.",
        "neighbours",
        "`polarprior modes stylegan3:afhqv2.pkl --bank BANK --reference afhqv2.zip --out modes`",
    ),
    Section(
        "Classes",
        "Fig. 8 (bottom), 10, 19",
        "within a class as well polarity moves precision and recall beyond truncation; modes show the object alone.",
        "classes",
        "`polarprior modes biggan-deep:FOLDER --bank BANK --per-class -n 1 --out modes`",
    ),
    Section(
        "Path lengths near modes",
        "Fig. 7, C.5",
        "perceptual paths are shorter near modes (rho < 0) and longer near anti-modes.",
        "path_length",
        "`polarprior.metrics.path_length.path_lengths` with `perceptual:vgg16` and draws of `stylegan2:ffhq.pkl`.",
    ),
    Section(
        "Singular values",
        "Fig. 13",
        "they follow a Marchenko-Pastur law.",
        "spectra",
        "`polarprior bank build stylegan2:ffhq.pkl -n 10000 -k 100 --out ffhq.safetensors`",
    ),
    Section(
        "A shift of hues, and the likelihood of draws",
        "Fig. 14, C.1, C.4",
        "rho != 0 helps where the test set's hues are spread more evenly than the training set's; bits a dimension "
        "rise with rho.",
        "coloured",
        "`polarprior bank build nvae:checkpoint.pt -n 20000 -k 30 --temp 1 --out bank.safetensors`, with a "
        "checkpoint "
        "of NVlabs/NVAE trained on coloured MNIST.",
    ),
    Section(
        "A model that truncation does nothing for",
        "Tab. 5",
        "ProGAN's precision and recall follow rho, and truncating its latents changes neither.",
        "progressive",
        "`polarprior sweep progan:celebahq.pth --bank BANK --reference celebahq.zip --metric-space "
        "perceptual:inception --samples 50000 --out sweep`",
    ),
)

if __name__ == "__main__":
    main()
