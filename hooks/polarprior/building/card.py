"""The bank card: a README.md with the header that Hugging Face reads, beside the bank."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

from polarprior.bank import index
from polarprior.bank.bank import Bank
from polarprior.bank.statistics import histogram, spectrum_statistics
from polarprior.files import write_atomically
from polarprior.foreign import in_html, shown
from polarprior.law.limits import limits_on
from polarprior.law.over_rho import table_over_rho

_MARK = "library_name: polarprior"
TAG = "polarprior-bank"
"""The tag of all banks."""


def write_card(bank: Bank, path: Path, scratch: Path | None = None) -> Path:
    """Write the card of the bank at `path`.

    It is ``README.md`` in the bank's folder; where there is one that isn't a card of this bank's name, it stays, and
    the card is ``NAME.README.md``.

    Args:
        bank: the bank.
        path: where it is.
        scratch: see `polarprior.files.writing_atomically`.

    Returns:
        The card.
    """
    base = index.base_of(path)
    card = base.with_name("README.md")
    if card.exists() and not _is_card(card, base.name):
        card = base.with_name(f"{base.name}.README.md")
    write_atomically(card, card_text(bank, base.name).encode(), scratch)
    return card


def card_text(bank: Bank, name: str, licence: str | None = None, picture: str = "", place: str = "") -> str:
    """A card, as Markdown with a header of YAML.

    Args:
        bank: the bank.
        name: its base name.
        licence: of the bank, one of the Hub's identifiers; None for that of the checkpoint, in its own words.
        picture: file name of a picture beside the card; empty for none.
        place: where the bank is, for the command that draws from it; empty for its name.
    """
    title = f"# {shown(name)}\n"
    return f"{_header(bank, licence)}\n{title}\n{_body(bank, place or shown(name), picture)}"


def is_card(start: str, name: str) -> bool:
    """Whether a text begins as the card of a bank of that base name."""
    return start.startswith("---\n") and _MARK in start and f"\n# {shown(name)}\n" in start


def model_tag(fingerprint: str) -> str:
    """The tag of all banks of a model, by the fingerprint of its weights."""
    return f"polarprior-model-{fingerprint[:32]}"


def _is_card(card: Path, name: str) -> bool:
    try:
        with card.open(errors="replace") as file:
            return is_card(file.read(4096), name)
    except OSError:
        return False


def _header(bank: Bank, licence: str | None) -> str:
    """YAML; a JSON string is a YAML string, whatever it holds."""
    info = bank.info
    stated = json.dumps(info.licence or "not stated")
    lines = [
        "---",
        _MARK,
        f"base_model: {json.dumps(info.plugin)}",
        *([f"license: {json.dumps(licence)}"] if licence else ["license: other", f"license_name: {stated}"]),
        "tags:",
        "- polarprior",
        f"- {TAG}",
        f"- {json.dumps(model_tag(info.fingerprint))}",
        "- polarity-sampling",
        f"- {json.dumps(f'space-{info.space}')}",
        "---",
    ]
    return "\n".join(lines) + "\n"


def _facts(bank: Bank) -> str:
    """Rows of a table: what the bank is of."""
    info = bank.info
    settings = ", ".join(f"{field} {value}" for field, value in info.settings.given().items()) or "-"
    table = {
        "model": f"{info.plugin} {info.plugin_version}",
        "fingerprint of its weights": f"`{info.fingerprint}`",
        "licence of the checkpoint, as its authors state it": info.licence or "not stated",
        "prior": f"{info.prior}, shape {list(info.latent_shape)}",
        "settings": settings,
        "domain and space": f"{info.domain}, {info.space}",
        "latents": f"{len(bank)}" + ("" if info.num_classes is None else f" of {info.num_classes} classes"),
        "singular values a latent": f"{info.k}",
        "log-volumes": info.accuracy(),
        "digest": f"`{info.digest}`",
    }
    return "\n".join(f"| {key} | {in_html(value)} |" for key, value in table.items())


def _body(bank: Bank, place: str, picture: str) -> str:
    log_volume = bank.log_volume()
    finite = log_volume[log_volume > -float("inf")]
    lines = "\n".join(f"| {i} | {mean:.3f} | {std:.3f} |" for i, mean, std in spectrum_statistics(bank).lines())
    spread = (
        f"mean {finite.mean():.2f}, standard deviation {finite.std():.2f}, nats" if finite.size else "none is finite"
    )
    over_rho = "`polarprior bank info` has those of a class"
    if bank.info.num_classes is None:
        limits = limits_on(bank)
        over_rho = f"{limits}\n\n```\n{table_over_rho(bank, None, limits)}\n```"
    drawn = f"![Log-volumes, and effective sample size against rho]({quote(picture)})\n\n" if picture else ""
    return f"""\
A bank of [polarprior](https://pypi.org/project/polarprior): seeds of a generator's latents, with the largest
singular values of its Jacobian there.

    polarprior sample MODEL --bank {place} --tilt=-0.5 --seeds 0-15 --out DIR

| | |
|---|---|
{_facts(bank)}

Log-volumes ({spread}):

```
{histogram(log_volume)}
```

{drawn}Limits of rho: {over_rho}

| i | mean log sigma_i | std |
|---|---|---|
{lines}
"""
