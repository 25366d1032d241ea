"""The bank card: a README.md with the header that Hugging Face reads, beside the bank."""

from __future__ import annotations

import json
from pathlib import Path

from polarprior.bank import index
from polarprior.bank.bank import Bank
from polarprior.bank.statistics import histogram, spectrum_statistics
from polarprior.files import write_atomically
from polarprior.foreign import in_html, shown
from polarprior.law.limits import limits_on

_MARK = "library_name: polarprior"


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
    title = f"# {shown(base.name)}\n"
    card = base.with_name("README.md")
    if card.exists() and not _is_card(card, title):
        card = base.with_name(f"{base.name}.README.md")
    write_atomically(card, f"{_header(bank)}\n{title}\n{_body(bank, shown(base.name))}".encode(), scratch)
    return card


def _is_card(card: Path, title: str) -> bool:
    try:
        with card.open(errors="replace") as file:
            start = file.read(4096)
    except OSError:
        return False
    return start.startswith("---\n") and _MARK in start and f"\n{title}" in start


def _header(bank: Bank) -> str:
    """YAML; a JSON string is a YAML string, whatever it holds."""
    info = bank.info
    lines = [
        "---",
        _MARK,
        f"base_model: {json.dumps(info.plugin)}",
        "license: other",
        f"license_name: {json.dumps(info.licence or 'not stated')}",
        "tags:",
        "- polarprior",
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


def _body(bank: Bank, name: str) -> str:
    log_volume = bank.log_volume()
    finite = log_volume[log_volume > -float("inf")]
    lines = "\n".join(f"| {i} | {mean:.3f} | {std:.3f} |" for i, mean, std in spectrum_statistics(bank).lines())
    spread = (
        f"mean {finite.mean():.2f}, standard deviation {finite.std():.2f}, nats" if finite.size else "none is finite"
    )
    limits = "`polarprior bank info`" if bank.info.num_classes is not None else str(limits_on(bank))
    return f"""\
A bank of [polarprior](https://pypi.org/project/polarprior): seeds of a generator's latents, with the largest
singular values of its Jacobian there.

    polarprior sample MODEL --bank {name} --tilt=-0.5 --seeds 0-15 --out DIR

| | |
|---|---|
{_facts(bank)}

Log-volumes ({spread}):

```
{histogram(log_volume)}
```

Limits of rho: {limits}.

| i | mean log sigma_i | std |
|---|---|---|
{lines}
"""
