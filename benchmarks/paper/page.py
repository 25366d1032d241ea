"""Writes docs/paper.md and its pictures from ``results/``: the paper's figures and tables beside what came out here.

    python benchmarks/paper/page.py [--out docs]

At the top stands one verdict a claim, see `claims`. Results that are missing are named in their place, and so are
those of another edition of their script: nothing is filled in.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from math import floor, log10
from pathlib import Path
from typing import NamedTuple

from claims import AGREES, DISAGREES, UNDECIDED, UNTESTED, Claim, Part, Verdict, verdicts
from scene import edition_of
from telling import Results, signed, table

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
    found = {section.experiment: _results(section.experiment) for section in SECTIONS}
    claims = {name: _claims(name, results) for name, results in found.items()}
    judged = verdicts([*(claim for own in claims.values() for claim in own), *ELSEWHERE])
    missing = [name for name, results in found.items() if results is None]
    parts = [(Path(__file__).parent / "introduction.md").read_text(), in_a_table(judged, missing)]
    for section in SECTIONS:
        results, script = found[section.experiment], f"`python benchmarks/paper/{section.experiment}.py`"
        parts.append(f"## {section.title}: {section.figures}\n\n*The paper*: {section.claim}\n")
        if results is None:
            parts.append(f"*Here*: not run yet in this edition; {script} does.\n")
        else:
            told = import_module(section.experiment).tell(results, pictures)
            parts.append(f"*Here* ({script}, {results['cpu_minutes']:g} CPU minutes): {folded(told)}\n")
            own = [verdict for verdict in judged if verdict.claim in claims[section.experiment]]
            if any(verdict.claim.parts for verdict in own):
                parts.append(f"*What decides it*:\n\n{folded(in_parts(own))}\n")
        parts.append(f"*With the paper's models* (official weights and a GPU; not run here): {section.official}\n")
    (out / "paper.md").write_text("\n".join(parts).rstrip() + "\n")
    print(f"{out / 'paper.md'}: {len(SECTIONS)} parts, {len(judged)} claims")


def _results(experiment: str) -> Results | None:
    """What an experiment has left; None, and a warning, where there is nothing, or something of an older script."""
    path = RESULTS / f"{experiment}.json"
    if not path.exists():
        print(f"warning: {path}: not there; the page says so", file=sys.stderr)
        return None
    results: Results = json.loads(path.read_text())
    known, edition = results.get("edition", 1), edition_of(experiment)
    if known != edition:
        commit = results.get("commit", "no commit")[:9]
        print(f"warning: {path}: of {commit}, edition {known} of the script, not {edition}", file=sys.stderr)
        return None
    return results


def _claims(experiment: str, results: Results | None) -> list[Claim]:
    """What an experiment decides, where it has been run."""
    module = import_module(experiment)
    return module.claims(results) if results is not None and hasattr(module, "claims") else []


def in_a_table(judged: Sequence[Verdict], missing: Sequence[str]) -> str:
    """The verdicts, one a claim, and the experiments whose claims are missing."""
    counts = Counter(verdict.word for verdict in judged)
    words = ", ".join(f"{counts[word]} {word}" for word in (AGREES, DISAGREES, UNDECIDED, UNTESTED))
    cells = []
    for claim, word, telling, decided in judged:
        where = ", ".join(each for each in (claim.section, claim.figures) if each)
        effect = "" if telling is None else f"{telling.what}: {precise(telling.effect)}"
        counted = f"{decided.count(AGREES)} for, {decided.count(DISAGREES)} against, of {len(decided)}"
        cells.append((claim.says, where, claim.by, effect, counted if decided else "", f"**{word}**"))
    heads = ("claim", "section, figure", "what decides it", "the telling part", "parts decided", "verdict")
    rest = f" The claims of {', '.join(missing)} are missing: these have not been run yet." if missing else ""
    return f"## Claim by claim\n\n{len(judged)} claims: {words}.{rest}\n\n{table(heads, cells)}\n"


def in_parts(judged: Sequence[Verdict]) -> str:
    """All parts of some claims."""
    cells = [
        (verdict.claim.says, part.what, _expected(part), precise(part.effect), f"{part.p():.2g}", word)
        for verdict in judged
        for part, word in zip(verdict.claim.parts, verdict.words, strict=True)
    ]
    return table(("claim", "part", "claimed", "found", "p", "decided"), cells)


def _expected(part: Part) -> str:
    return {1: "above 0", -1: "below 0", 0: f"within ±{part.negligible:g}"}[part.expected]


def precise(effect: Results | None) -> str:
    """A figure with the digits that its interval leaves it, and the banks behind it."""
    if effect is None:
        return "not in all banks"
    digits = max(0, 1 - floor(log10(effect["half"]))) if effect["half"] > 0 else 3
    return f"{signed(effect, digits)} (n = {len(effect['values'])})"


def folded(text: str) -> str:
    """The text with its long tables folded away."""
    return re.sub(rf"(?:^\|.*\n?){{{LONG},}}", _folded, text, flags=re.M)


def _folded(found: re.Match[str]) -> str:
    lines = found[0].rstrip().splitlines()
    whole = "\n".join(lines)
    return f"<details><summary>{len(lines) - 2} rows</summary>\n\n{whole}\n\n</details>\n"


LONG = 16
"""Lines of a table that is folded away."""

ELSEWHERE = (
    Claim(
        "B.2",
        "",
        "at rho 1 draws are uniform on the generator's surface",
        "a theorem, which `tests/test_law.py` tests",
    ),
    Claim(
        "A.4",
        "",
        "a random projection of the images leaves the volumes good enough",
        "`docs/performance.md` measures it",
    ),
    Claim(
        "5.1",
        "Fig. 15",
        "at rho -5 the distances of a WGAN have a longer tail than an NVAE's",
        "no bank supports rho -5",
    ),
    Claim("A.3", "", "250,000 Jacobians of StyleGAN2 take 14 days", "no official weights, no GPU"),
)
"""Claims that no experiment here decides."""

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
        "The frontier of both",
        "Fig. 1, 3, 8",
        "polarity and truncation together extend the frontier of precision and recall.",
        "frontier",
        "`polarprior sweep stylegan3:ffhq.pkl --bank ffhq-0.5.safetensors --bank ffhq-0.7.safetensors --bank "
        "ffhq.safetensors --reference ffhq.zip --metric-space perceptual:vgg16 --samples 50000 --out sweep`, with a "
        "bank of each psi",
    ),
    Section(
        "In which space it does most",
        "Fig. 8 (top), A.5",
        "polarity in a space of features moves precision and recall more than in pixels, and in styles least.",
        "spaces",
        "a bank of each of `--space style`, `pixel` and `perceptual:vgg16`, and `polarprior sweep` with "
        "`--polarity=-2,-1,-0.5,0,0.5,1,2`.",
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
        "`polarprior sweep stylegan2:ffhq.pkl --bank ffhq-vgg.safetensors --polarity=-1,-0.5,0,0.5,1 --reference "
        "prior --metrics ppl,ppl-w --metric-space perceptual:vgg16 --samples 10000 --out ppl`",
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
        "The likelihood of an NVAE's draws",
        "C.4",
        "bits a dimension rise with rho, from 0.030 at -5 to 0.051 at 5.",
        "likelihood",
        "`polarprior bank build nvae:checkpoint.pt -n 20000 -k 30 --temp 1 --out bank.safetensors`, and the stock "
        "network's forward pass on its draws.",
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
