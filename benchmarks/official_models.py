"""The official files of the stock repositories, as data, and docs/official-models.md, which is written from it.

    python benchmarks/official_models.py

Costs come from ``results/official_sizes.json``: official architectures with random weights, by `official_sizes.py`.
A test compares the page with what this writes, and every command with the command line that it is for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "official-models.md"
MARK = "<!-- what follows is written by benchmarks/official_models.py -->\n\n"
SIZES = Path(__file__).parent / "results" / "official_sizes.json"

STYLEGAN2_TF = "https://nvlabs-fi-cdn.nvidia.com/stylegan2/networks/"
ADA = "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/"
NGC2 = "https://api.ngc.nvidia.com/v2/models/nvidia/research/stylegan2/versions/1/files/"
NGC3 = "https://api.ngc.nvidia.com/v2/models/nvidia/research/stylegan3/versions/1/files/"
BIGGAN = "https://s3.amazonaws.com/models.huggingface.co/biggan/"
ZOO = "https://dl.fbaipublicfiles.com/gan_zoo/PGAN/"
NVAE_DRIVE = "https://drive.google.com/drive/folders/1KVpw12AzdVjvbfEYM_6_3sxTy93wWkbe"
EDM = "https://nvlabs-fi-cdn.nvidia.com/edm/pretrained/"
EDM2 = "https://nvlabs-fi-cdn.nvidia.com/edm2/posthoc-reconstructions/"
PROJECTED = "https://s3.eu-central-1.amazonaws.com/avg-projects/projected_gan/models/"
XL = "https://s3.eu-central-1.amazonaws.com/avg-projects/stylegan_xl/models/"
NVIDIA = "Nvidia Source Code License (non-commercial use)"
CHURCH, CAR, FFHQ = (
    f"stylegan2 config-f {size}" for size in ("256 (LSUN Church, Cat)", "512 (LSUN Car)", "1024 (FFHQ)")
)
"""Networks of official_sizes.json."""
CONVERTED = "the stock `legacy.py` converts it from TensorFlow when it is opened"
PYTORCH = "the stock `legacy.py`"


class Official(NamedTuple):
    """An official file.

    Attributes:
        what: data set and size.
        file: as its publishers call it.
        url: where they publish it, as the stock repository states it; empty where that is no address of the file.
        licence: as they state it.
        loader: what opens it.
        plugin: of polarprior.
        latents: K.
        size: the network in official_sizes.json that has its architecture; empty where none is measured.
        paper: where the polarity paper uses it, with its figures there; empty where it doesn't.
        digest: the start of its sha256, where its publishers give it.
    """

    what: str
    file: str
    url: str
    licence: str
    loader: str
    plugin: str
    latents: int
    size: str = ""
    paper: str = ""
    digest: str = ""


class Repository(NamedTuple):
    """A stock repository with its files.

    Attributes:
        name: of the repository or package.
        files: of it; the first is the one in the commands.
        commands: from the download to the comparison with the paper's table, a line each.
        note: what is to be known.
    """

    name: str
    files: tuple[Official, ...]
    commands: tuple[str, ...]
    note: str = ""


def nvidia(what: str, url: str, plugin: str, size: str = "", paper: str = "", loader: str = PYTORCH) -> Official:
    """A network pickle."""
    return Official(what, url.rpartition("/")[2], url, NVIDIA, loader, plugin, 512, size, paper)


def zoo(what: str, file: str) -> Official:
    """A file of pytorch_GAN_zoo's hub, whose name ends with the start of its digest."""
    digest = file.removesuffix(".pth").rpartition("-")[2]
    return Official(what, file, ZOO + file, "BSD 3-Clause (the repository)", "`eval.py`, this plugin", "progan", 512,
                    "progan 256" if "256" in what else "", digest=digest)  # fmt: skip


def diffusion(what: str, url: str, plugin: str, latents: int) -> Official:
    """A network pickle of EDM or EDM2."""
    script = "generate.py" if plugin == "edm" else "generate_images.py"
    return Official(what, url.rpartition("/")[2], url, "CC BY-NC-SA 4.0 (the repository)", f"`{script}`, this plugin",
                    plugin, latents)  # fmt: skip


REPOSITORIES = (
    Repository(
        "NVlabs/stylegan2-ada-pytorch",
        (
            nvidia("FFHQ, 1024 x 1024, config f", STYLEGAN2_TF + "stylegan2-ffhq-config-f.pkl", "stylegan2",
                   FFHQ, "Tab. 2: FID 2.74, with polarity 2.57", CONVERTED),
            nvidia("FFHQ, 1024 x 1024, config e", STYLEGAN2_TF + "stylegan2-ffhq-config-e.pkl", "stylegan2",
                   "stylegan2 config-e 1024 (FFHQ)", "Tab. 2: FID 3.31", CONVERTED),
            nvidia("LSUN Church, 256 x 256", STYLEGAN2_TF + "stylegan2-church-config-f.pkl", "stylegan2",
                   CHURCH,
                   "Tab. 1: FID 6.29, with polarity 6.02; Tab. 2: 3.97, with polarity 3.92", CONVERTED),
            nvidia("LSUN Cat, 256 x 256", STYLEGAN2_TF + "stylegan2-cat-config-f.pkl", "stylegan2",
                   CHURCH, "Tab. 2: FID 6.49, with polarity 6.39", CONVERTED),
            nvidia("LSUN Car, 512 x 384 in a square of 512 x 512", STYLEGAN2_TF + "stylegan2-car-config-f.pkl",
                   "stylegan2", CAR, "Tab. 2: FID 2.34, with polarity 2.27", CONVERTED),
            nvidia("FFHQ, 1024 x 1024, for PyTorch", ADA + "ffhq.pkl", "stylegan2", FFHQ),
            nvidia("MetFaces, 1024 x 1024", ADA + "metfaces.pkl", "stylegan2", FFHQ),
            nvidia("AFHQ cats, 512 x 512", ADA + "afhqcat.pkl", "stylegan2", CAR),
            nvidia("AFHQ dogs, 512 x 512", ADA + "afhqdog.pkl", "stylegan2", CAR),
            nvidia("AFHQ wild animals, 512 x 512", ADA + "afhqwild.pkl", "stylegan2", CAR),
            nvidia("CIFAR-10, 32 x 32, conditional", ADA + "cifar10.pkl", "stylegan2"),
        ),
        (
            "wget {url}",
            "sha256sum {file}",
            "polarprior bank build stylegan2:{file} -n 10000 -k 30 --device cuda --out ffhq.safetensors",
            "python generate.py --network={file} --seeds=0-15 --outdir=out --tilt=-0.5 --bank=ffhq.safetensors",
            "polarprior sweep stylegan2:{file} --bank ffhq.safetensors --reference ffhq.zip --metric-space"
            " perceptual:inception --samples 50000 --out sweep",
        ),
        "Tab. 1 and 2 were made with polarity in VGG's, Inception's, style's and pixel space: `--space "
        "perceptual:inception`, `--space style` and the like when the bank is built.",
    ),
    Repository(
        "NVlabs/stylegan3",
        (
            nvidia("FFHQ, 1024 x 1024, config T", NGC3 + "stylegan3-t-ffhq-1024x1024.pkl", "stylegan3",
                   "stylegan3-t 1024 (FFHQ)", "Tab. 2: FID 2.88, with polarity 2.71"),
            nvidia("AFHQv2, 512 x 512, config T", NGC3 + "stylegan3-t-afhqv2-512x512.pkl", "stylegan3",
                   "stylegan3-t 512 (AFHQv2)", "Tab. 2: FID 4.05, with polarity 3.95"),
            nvidia("FFHQ-U, 256 x 256, config T", NGC3 + "stylegan3-t-ffhqu-256x256.pkl", "stylegan3",
                   "stylegan3-t 256 (FFHQ-U)"),
            nvidia("MetFaces, 1024 x 1024, config T", NGC3 + "stylegan3-t-metfaces-1024x1024.pkl", "stylegan3",
                   "stylegan3-t 1024 (FFHQ)"),
            nvidia("FFHQ, 1024 x 1024, config R", NGC3 + "stylegan3-r-ffhq-1024x1024.pkl", "stylegan3"),
            nvidia("AFHQv2, 512 x 512, config R", NGC3 + "stylegan3-r-afhqv2-512x512.pkl", "stylegan3"),
            nvidia("FFHQ, 1024 x 1024, StyleGAN2", NGC2 + "stylegan2-ffhq-1024x1024.pkl", "stylegan2",
                   FFHQ),
            nvidia("CelebA-HQ, 256 x 256, StyleGAN2", NGC2 + "stylegan2-celebahq-256x256.pkl", "stylegan2"),
        ),
        (
            "wget {url}",
            "sha256sum {file}",
            "polarprior bank build stylegan3:{file} -n 10000 -k 30 --device cuda --out ffhq.safetensors",
            "python gen_images.py --network={file} --seeds=0-15 --outdir=out --tilt=-0.5 --bank=ffhq.safetensors",
            "polarprior sweep stylegan3:{file} --bank ffhq.safetensors --reference ffhq.zip --metric-space"
            " perceptual:inception --samples 50000 --out sweep",
        ),
        "No size of it is measured: on a CPU config T at 256 pixels, four tangents at once, wants more than 24 GB of "
        "memory and is killed. In config R filters are radial, not separable, and cost more.",
    ),
    Repository(
        "huggingface/pytorch-pretrained-BigGAN",
        tuple(
            Official(f"ImageNet, {pixels} x {pixels}", f"biggan-deep-{pixels}-pytorch_model.bin",
                     f"{BIGGAN}biggan-deep-{pixels}-pytorch_model.bin",
                     "DeepMind's weights from TF Hub; the package is MIT", "the package", "biggan-deep", 128,
                     f"biggan-deep {pixels}",
                     "Tab. 2: FID 6.86, with polarity 6.82; Fig. 8, 10" if pixels == 256 else "")
            for pixels in (256, 128, 512)
        ),
        (
            "mkdir biggan-deep-256",
            "wget -O biggan-deep-256/pytorch_model.bin {url}",
            "wget -O biggan-deep-256/config.json " + BIGGAN + "biggan-deep-256-config.json",
            "sha256sum biggan-deep-256/pytorch_model.bin",
            "polarprior bank build biggan-deep:biggan-deep-256 -n 2000 -k 30 --trunc 0.4 --class golden_retriever"
            " --device cuda --out golden.safetensors",
            "polarprior generate biggan-deep:biggan-deep-256 --class golden_retriever --trunc 0.4 --tilt=-0.5"
            " --bank golden.safetensors --seeds 0-15 --out modes",
            "polarprior sweep biggan-deep:biggan-deep-256 --bank golden.safetensors --reference golden.zip"
            " --metric-space perceptual:inception --class golden_retriever --out sweep",
        ),
        "No stock script loads these weights: a script of yours around the package takes `--polarity` as well.",
    ),
    Repository(
        "ajbrock/BigGAN-PyTorch",
        (
            Official("ImageNet, 128 x 128: BigGAN, not deep", "the archive behind the first link of its README", "",
                     "MIT (the repository)", "`sample.py`, this plugin", "biggan-deep", 120),
        ),
        (
            "polarprior bank build biggan-deep:weights/NAME -n 20000 -k 30 --trunc 0.5 --class all --device cuda"
            " --out bank.safetensors",
            "python sample.py --experiment_name NAME --use_ema --ema --G_eval_mode --z_var 0.5 --sample_npz"
            " --tilt=-0.5 --bank=bank.safetensors",
        ),
        "Its README links to an archive on the author's drive. `sample.py` needs the words of the training "
        "script beside these.",
    ),
    Repository(
        "genforce/genforce",
        (
            Official("CelebA-HQ, 1024 x 1024", "pggan_celebahq1024.pth", "", "MIT (the repository); the TensorFlow"
                     " original is CC BY-NC 4.0", "`synthesize.py`, this plugin", "progan", 512,
                     "progan 1024 (CelebA-HQ)", "Tab. 5"),
            Official("LSUN scenes and objects, 256 x 256", "pggan_bedroom256.pth and others", "", "the same",
                     "`synthesize.py`, this plugin", "progan", 512, "progan 256"),
        ),
        (
            "python synthesize.py pggan_celebahq1024 --num 1",
            "sha256sum checkpoints/pggan_celebahq1024.pth",
            "polarprior bank build progan:checkpoints/pggan_celebahq1024.pth -n 10000 -k 30 --device cuda"
            " --out bank.safetensors",
            "python synthesize.py pggan_celebahq1024 --num 100 --tilt=-0.5 --bank=bank.safetensors",
            "polarprior sweep progan:checkpoints/pggan_celebahq1024.pth --bank bank.safetensors --reference"
            " celebahq.zip --metric-space perceptual:inception --samples 50000 --out sweep",
        ),
        "The first command fetches the file, from the address in `models/model_zoo.py`. The authors' own "
        "pickles are for TensorFlow: `convert_model.py` of genforce makes a `.pth` of one.",
    ),
    Repository(
        "facebookresearch/pytorch_GAN_zoo",
        (
            zoo("CelebA-HQ, 256 x 256", "celebaHQ_s6_i80000-6196db68.pth"),
            zoo("CelebA, cropped, 128 x 128", "celebaCropped_s5_i83000-2b0acc76.pth"),
            zoo("textures (DTD), 128 x 128", "testDTD_s5_i96000-04efa39f.pth"),
        ),
        (
            "wget {url}",
            "sha256sum {file}",
            "polarprior bank build progan:{file} -n 10000 -k 30 --device cuda --out bank.safetensors",
            "polarprior generate progan:{file} --tilt=-0.5 --bank bank.safetensors --seeds 0-15 --out modes",
        ),
        "The hub's files hold no training run, which `eval.py` looks for: `polarprior generate` draws from "
        "them. A file that was trained with labels is refused.",
    ),
    Repository(
        "NVlabs/NVAE",
        (
            Official("MNIST", "checkpoint.pt", "", f"{NVIDIA} for NVAE", "`evaluate.py`, this plugin", "nvae", 14400,
                     "nvae (MNIST)", "Fig. 6, 14: trained on coloured MNIST, not published"),
            Official("CIFAR-10", "checkpoint.pt", "", "the same", "the same", "nvae", 153600, "nvae (CIFAR-10)"),
            Official("CelebA 64, CelebA-HQ 256, FFHQ 256", "checkpoint.pt", "", "the same", "the same", "nvae", 0,
                     paper="Fig. 5"),
        ),
        (
            "sha256sum checkpoint.pt",
            "polarprior bank build nvae:checkpoint.pt -n 20000 -k 30 --temp 0.7 --device cuda --out bank.safetensors",
            "python evaluate.py --checkpoint checkpoint.pt --eval_mode sample --temp 0.7 --save out --tilt=-0.3"
            " --bank=bank.safetensors",
        ),
        f"The files are on [the authors' drive]({NVAE_DRIVE}).",
    ),
    Repository(
        "NVlabs/edm",
        (
            diffusion("CIFAR-10, 32 x 32, conditional", EDM + "edm-cifar10-32x32-cond-vp.pkl", "edm", 3072),
            diffusion("FFHQ, 64 x 64", EDM + "edm-ffhq-64x64-uncond-vp.pkl", "edm", 12288),
            diffusion("ImageNet, 64 x 64, conditional", EDM + "edm-imagenet-64x64-cond-adm.pkl", "edm", 12288),
        ),
        (
            "wget {url}",
            "sha256sum {file}",
            "polarprior bank build edm:{file} -n 2000 -k 30 --set steps=18 --class 3 --device cuda"
            " --out cats.safetensors",
            "python generate.py --network={file} --class=3 --steps=18 --seeds=0-15 --outdir=out --tilt=-0.5"
            " --bank=cats.safetensors",
        ),
        "A latent is 2 x steps - 1 times what one pass costs; no size of it is measured.",
    ),
    Repository(
        "NVlabs/edm2",
        (
            diffusion("ImageNet, 64 x 64, conditional", EDM2 + "edm2-img64-s-1073741-0.075.pkl", "edm2", 12288),
            diffusion("the same, to be guided", EDM2 + "edm2-img64-s-1073741-0.045.pkl", "edm2", 12288),
            diffusion("what guides it", EDM2 + "edm2-img64-xs-0134217-0.110.pkl", "edm2", 12288),
        ),
        (
            "wget {url}",
            "sha256sum {file}",
            "polarprior bank build edm2:{file} -n 2000 -k 30 --set steps=32 --class 207 --device cuda"
            " --out golden.safetensors",
            "python generate_images.py --net={file} --class=207 --steps=32 --seeds=0-15 --outdir=out --tilt=-0.5"
            " --bank=golden.safetensors",
        ),
        "The networks of 512 pixels make images by a VAE, and are refused; no size of the others is measured.",
    ),
    Repository(
        "autonomousvision/projected-gan",
        (
            Official("LSUN Church, 256 x 256", "church.pkl", PROJECTED + "church.pkl", "MIT (the repository)",
                     PYTORCH, "projected-gan", 0),
            Official("FFHQ, 256 x 256", "ffhq.pkl", PROJECTED + "ffhq.pkl", "the same", PYTORCH, "projected-gan", 0),
            Official("Pokemon, 256 x 256", "pokemon.pkl", PROJECTED + "pokemon.pkl", "the same", PYTORCH,
                     "projected-gan", 0),
        ),
        (
            "wget {url}",
            "sha256sum {file}",
            "polarprior bank build projected-gan:{file} -n 10000 -k 30 --device cuda --out church.safetensors",
            "python gen_images.py --network={file} --seeds=0-15 --outdir=out --tilt=-0.5 --bank=church.safetensors",
        ),
        "Not opened here; the discriminators in these files import timm.",
    ),
    Repository(
        "autonomousvision/stylegan-xl",
        (
            Official("ImageNet, 256 x 256, conditional", "imagenet256.pkl", XL + "imagenet256.pkl",
                     "MIT and Nvidia's, as the repository states", PYTORCH, "stylegan-xl", 64),
            Official("FFHQ, 1024 x 1024", "ffhq1024.pkl", XL + "ffhq1024.pkl", "the same", PYTORCH, "stylegan-xl",
                     64),
        ),
        (
            "wget {url}",
            "sha256sum {file}",
            "polarprior bank build stylegan-xl:{file} -n 10000 -k 30 --trunc 0.7 --class 207 --device cuda"
            " --out golden.safetensors",
            "python gen_images.py --network={file} --seeds=0-15 --trunc=0.7 --class=207 --outdir=out --tilt=-0.5"
            " --bank=golden.safetensors",
        ),
        "Not opened here; the discriminators in these files import timm.",
    ),
    Repository(
        "brownvc/R3GAN",
        (
            Official("FFHQ, 256 x 256", "r3gan.pkl", "", "as the authors' page states", PYTORCH, "r3gan", 64),
            Official("ImageNet, 64 x 64, conditional", "r3gan.pkl", "", "the same", PYTORCH, "r3gan", 64),
        ),
        (
            "sha256sum {file}",
            "polarprior bank build r3gan:{file} -n 10000 -k 30 --device cuda --out ffhq.safetensors",
            "python gen_images.py --network={file} --seeds=0-15 --outdir=out --tilt=-0.5 --bank=ffhq.safetensors",
        ),
        "The pickles are on [the authors' page](https://huggingface.co/brownvc), a repository each; `r3gan.pkl` "
        "stands for one of them. Not opened here.",
    ),
)  # fmt: skip


def commands_of(repository: Repository) -> list[str]:
    """The commands, for its first file."""
    first = repository.files[0]
    return [line.format(url=first.url, file=first.file) for line in repository.commands]


def page() -> str:
    """docs/official-models.md: its own introduction, and the sections that follow from the data."""
    found = {row["what"]: row for row in json.loads(SIZES.read_text())["rows"]}
    introduction, mark, _ = PAGE.read_text().partition(MARK)
    return introduction + mark + "\n".join(line for each in REPOSITORIES for line in _section(each, found))


FORKS = "stylegan_forks"
FOLDERS = {"edm2": "edm", "projected-gan": FORKS, "stylegan-xl": FORKS, "r3gan": FORKS}
"""Folders of plugins that are not called like them."""


def _section(repository: Repository, found: dict[str, dict[str, object]]) -> Iterator[str]:
    plugin = FOLDERS.get(repository.files[0].plugin, repository.files[0].plugin).replace("-", "_")
    yield f"## {repository.name}"
    yield ""
    if repository.note:
        yield f"Plugin [`{repository.files[0].plugin}`](../polar_plugins/{plugin}/README.md). {repository.note}"
        yield ""
    yield "| data | file | licence | loader | K | passes a latent | seconds | memory | in the paper |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for file in repository.files:
        name = f"[`{file.file}`]({file.url})" if file.url else file.file if " " in file.file else f"`{file.file}`"
        cost = " | ".join(_cost(file, found))
        latents = f"{file.latents:,}" if file.latents else "-"
        yield f"| {file.what} | {name} | {file.licence} | {file.loader} | {latents} | {cost} | {file.paper or '-'} |"
    yield ""
    yield "```sh"
    yield from commands_of(repository)
    yield "```"
    yield ""


def _cost(file: Official, found: dict[str, dict[str, object]]) -> tuple[str, str, str]:
    """Passes and seconds a latent, and memory in all."""
    passes, forward, memory = (
        found.get(f"{file.size}: {what}", {}).get("figure")
        for what in ("a latent, block-lanczos, k 30", "forward pass", "memory in all")
    )
    if not isinstance(passes, float) or not isinstance(forward, float):
        failed = found.get(f"{file.size}: failed", {}).get("detail")
        return ("failed: " + str(failed), "-", "-") if failed else ("not measured", "-", "-")
    kept = f"{memory:.1f} GB" if isinstance(memory, float) else "not measured"
    return f"{passes:.0f}", f"{passes * forward:.3g}", kept


if __name__ == "__main__":
    PAGE.write_text(page())
