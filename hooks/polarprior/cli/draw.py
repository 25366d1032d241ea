"""`polarprior seeds` and `polarprior sample`: draws from a polarity prior."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polarprior.cli.options import (
    NumberList,
    bank_argument,
    bank_option,
    class_number_option,
    force_option,
    k_option,
    label_of,
    loading_options,
    model_argument,
    open_model_and_bank,
    sampler_options,
    trunc_option,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from polarprior.bank.bank import Bank
    from polarprior.generator import Generator, Latents

BATCH = 16
EVERY = "all"
"""In place of a class."""


@click.command()
@bank_argument
@click.option("--polarity", "rho", required=True, type=float, help="rho: below 0 modes, above 0 anti-modes.")
@click.option("-n", "n", required=True, type=int, help="How many.")
@class_number_option
@k_option
@force_option
def seeds(path: Path, rho: float, n: int, label: int | None, k: int | None, force: bool) -> None:
    """Stock seeds drawn from a polarity prior, comma-separated: for a stock script with no plugin at all.

    They are what the bank's first N seeds become, so they agree with `polarprior sample` on those seeds.
    """
    from polarprior.bank.bank import Bank
    from polarprior.errors import UsageError
    from polarprior.prior.bank_sampler import WeightedBank
    from polarprior.prior.sampler import SamplerOptions

    bank = Bank.open(path)
    if not bank.info.stock_seeds:
        raise UsageError(
            f"BANK: the stock scripts of {bank.info.plugin} take no seed a picture: theirs is of a whole run",
            f"give the script --polarity itself: polarprior run SCRIPT --polarity={rho:g} --bank={path}",
        )
    if label is None and bank.labels is not None:
        raise UsageError("--class: got none, the bank has classes", "name one of them")
    rows = bank.rows_of(label)
    if not 1 <= n <= len(rows):
        raise UsageError(f"-n: got {n}, expected 1 to {len(rows)}, the rows of the bank", "build a larger bank")
    weighted = WeightedBank(bank, rho, SamplerOptions(k=k, draws=n, label=label, force=force))
    labels = None if bank.labels is None else bank.labels[rows[:n]]
    drawn = weighted.rows(bank.latent_hash[rows[:n]], labels)
    click.echo(",".join(map(str, bank.seeds[drawn])))
    click.echo(str(weighted.diagnostics), err=True)


@click.command()
@model_argument
@bank_option
@click.option(
    "--polarity", "rho", type=float, help="rho: below 0 modes, above 0 anti-modes; the model's own prior without."
)
@click.option("--seeds", "seed_list", type=NumberList(), required=True, help="Stock seeds, such as 0-15.")
@click.option(
    "--out",
    default="out",
    show_default=True,
    type=click.Path(path_type=Path, readable=False),
    help="Folder for the pictures.",
)
@click.option(
    "--npz",
    type=click.Path(path_type=Path, readable=False),
    help="One file for the guided-diffusion evaluator, in place of pictures.",
)
@click.option(
    "--class",
    "class_name",
    help=f"Class of a conditional model: its number, its name, or {EVERY} of the bank or model, in turn.",
)
@sampler_options
@trunc_option
@click.option("--temp", "temperature", type=float, help="Temperature; that of the bank if not given.")
@k_option
@force_option
@loading_options
def sample(
    model: str,
    bank_path: Path | None,
    rho: float | None,
    seed_list: list[int],
    out: Path,
    npz: Path | None,
    class_name: str | None,
    sampler: str,
    support: str,
    hold: tuple[str, ...],
    trunc: float | None,
    temperature: float | None,
    k: int | None,
    force: bool,
    **loading: Any,
) -> None:
    """Pictures of MODEL whose latents come from a polarity prior: OUT/seed0000.png and on.

    OUT/samples.json says which law was drawn, what each stock seed became, as a seed where there is one, and how far
    the draws can be trusted. Without --polarity they are the stock pictures. generate is another name of it, for
    models that have no stock script. With --npz the pictures are one file, FILE.npz, and FILE.json says the rest.
    """
    import numpy as np

    from polarprior.errors import UsageError
    from polarprior.files import check_writable, write_atomically
    from polarprior.hashing import latent_hash
    from polarprior.host import default_host
    from polarprior.prior.sampler import SAMPLERS, Explained

    if npz is not None and npz.suffix != ".npz":
        raise UsageError(f"--npz: got {str(npz)!r}, expected a file FILE.npz", "use such as --npz samples.npz")
    about = out / "samples.json" if npz is None else npz.with_suffix(".json")
    check_writable(about)
    of_plugin = sampler not in SAMPLERS  # its law may need neither a rho nor a bank
    if rho is None and of_plugin:
        rho = 0.0
    if rho is None:
        law = {"--bank": bank_path, "-k": k, "--force": force, "--hold": hold, "--sampler": sampler != "bank"}
        for name, asked in {**law, "--support": support != "prior"}.items():
            if asked:
                raise UsageError(f"{name}: given without --polarity", "add such as --polarity=-0.1")
        generator = default_host().load(model, trunc=trunc, temperature=temperature, **loading)
        latents = generator.prior.draw(seed_list, _labels(generator, None, class_name, seed_list))
        _save(generator, latents, seed_list, out, npz, model)
        click.echo(f"{npz or out}: {len(seed_list)} pictures of the model's own prior")
        return
    bank: Bank | None = None
    if of_plugin and bank_path is None:
        generator = default_host().load(model, trunc=trunc, temperature=temperature, **loading)
    else:
        generator, bank = open_model_and_bank(model, bank_path, trunc, temperature, **loading)
    labels = _labels(generator, bank, class_name, seed_list)
    label = None if isinstance(labels, list) else labels
    drawer = default_host().latent_sampler(
        generator,
        bank,
        rho,
        sampler=sampler,
        k=k,
        draws=len(seed_list) // (len(set(labels)) if isinstance(labels, list) else 1),
        label=label,
        support=support,
        hold=hold,
        force=force,
    )
    stock = generator.prior.draw(seed_list, labels)
    latents = drawer.redraw(stock.z, stock.label)
    title = f"{model}, sampler {sampler}, rho {rho:g}, k {drawer.diagnostics.k}, {drawer.diagnostics.target}"
    _save(generator, latents, seed_list, out, npz, title)
    own = dict(zip(latent_hash(stock.z).tolist(), seed_list, strict=True))
    given = drawer.seeds_of(latents) if isinstance(drawer, Explained) else [None] * len(latents)
    became = [own.get(key, seed) for key, seed in zip(latent_hash(latents.z).tolist(), given, strict=True)]
    document = {
        "model": model,
        "bank": None if bank is None else bank.info.digest,
        "sampler": sampler,
        "class": EVERY if class_name == EVERY else label,
        "diagnostics": drawer.diagnostics.to_dict(),
        "drawn": dict(zip(map(str, seed_list), became, strict=True)),
        **(drawer.described() if isinstance(drawer, Explained) else {}),
    }
    write_atomically(about, json.dumps(document, indent=1, sort_keys=True).encode())
    report = "" if drawer.diagnostics.rows < 2 else f"\n{drawer.diagnostics}"  # a plugin's own law has no weights
    click.echo(f"{npz or out}: {len(seed_list)} pictures{report}")
    if sampler == "bank" and bank is not None:
        known = np.zeros(len(stock), np.int64) if stock.label is None else stock.label.numpy()
        rows = (bank.rows_by_hash(latent_hash(stock.z), known) >= 0).sum()
        if rows < len(seed_list):
            click.echo(
                f"{len(seed_list) - rows} of the seeds are no rows of this bank: they are drawn from it at any rho"
            )


def _labels(
    generator: Generator, bank: Bank | None, class_name: str | None, seeds: list[int]
) -> int | list[int] | None:
    """The class of each seed, in turn as `bank build` has them, or of all of them; None where the model has none."""
    if class_name != EVERY or generator.num_classes is None:
        return label_of(generator, class_name)
    known = range(generator.num_classes) if bank is None or bank.labels is None else sorted(set(bank.labels.tolist()))
    return [known[seed % len(known)] for seed in seeds]


def _save(generator: Generator, latents: Latents, seeds: list[int], out: Path, npz: Path | None, title: str) -> None:
    """OUT/seed0000.png and on, one a latent, or all of them in `npz`; a samples.json of other pictures goes."""
    import warnings

    from polarprior.measure.figures import save_png
    from polarprior.measure.npz import save_npz

    if npz is not None:
        npz.with_suffix(".json").unlink(missing_ok=True)  # it would speak of other pictures
        labels = None if latents.label is None else latents.label.numpy()
        save_npz(npz, _pictures(generator, latents), len(latents), labels)
        return
    (out / "samples.json").unlink(missing_ok=True)  # it would speak of other pictures
    names = {f"seed{seed:04d}.png" for seed in seeds}
    others = sum(path.name not in names for path in out.glob("seed*.png"))
    if others:
        warnings.warn(f"--out: {out} holds {others} pictures of other draws", stacklevel=1)
    numbers = iter(seeds)
    for images in _pictures(generator, latents):
        for pixels in images:
            seed = next(numbers)
            save_png(out / f"seed{seed:04d}.png", pixels, f"{title}, seed {seed}")


def _pictures(generator: Generator, latents: Latents) -> Iterator[np.ndarray]:
    """uint8 [m, H, W, C] at a time, with a bar."""
    from tqdm import tqdm

    from polarprior.measure.figures import to_uint8

    with tqdm(total=len(latents), unit="image", desc="sample") as bar:
        for start in range(0, len(latents), BATCH):
            images = to_uint8(generator(latents[start : start + BATCH]))
            yield images
            bar.update(len(images))
