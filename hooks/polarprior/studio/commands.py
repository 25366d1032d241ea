"""Command lines that do what the page does."""

from __future__ import annotations

import shlex
from pathlib import Path

import polarprior as pp
from polarprior.studio.settings import Setting


def sample(generator: pp.Generator, setting: Setting) -> str:
    """The command line that writes the pictures of a setting."""
    words = ["polarprior", "sample", generator.model, "--seeds", ",".join(map(str, setting.seeds))]
    words += [] if setting.label is None else ["--class", str(setting.label)]
    words += [] if setting.rho is None else _law(setting, setting.rho)
    return shlex.join([*words, "--device", str(generator.device), "--out", "drawn"])


def _law(setting: Setting, rho: float) -> list[str]:
    words = [] if setting.bank is None else ["--bank", str(setting.bank)]
    words += [f"--polarity={rho!r}", "-k", str(setting.k)]
    words += [] if setting.support == "prior" else ["--support", setting.support]
    words += [] if not setting.hold else ["--hold", ",".join(setting.hold)]
    words += [] if setting.sampler == "bank" else ["--sampler", setting.sampler]
    return [*words, "--force"] if setting.beyond else words


def build(generator: pp.Generator, rows: int, k: int, path: Path) -> list[str]:
    """Words behind `polarprior` that build a bank of a model as it was opened."""
    known = generator.settings
    words = ["bank", "build", generator.model, "-n", str(rows), "-k", str(k), "--out", str(path)]
    words += [f"--set={name}={value}" for name, value in dict(known.own).items()]
    words += [] if known.trunc is None else [f"--trunc={known.trunc}"]
    words += [] if known.temperature is None else [f"--temp={known.temperature}"]
    return [*words, "--device", str(generator.device)]
