"""The polarity prior of the face generator by a flow, beside its free baseline, `bank` and `online`; run by
`runs.py`."""

from __future__ import annotations

import tempfile
import time
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polarprior as pp
from polarprior.plugin import Bank, LogVolumes, user_cache
from polarprior_benchmarks.reporting import Report
from polarprior_benchmarks.typed import typed
from scipy.stats import ks_2samp

MODEL, K, LARGEST = "dcgan-faces", 30, 0.25
CALIBRATION, DRAWS = 1000, 192
FEWEST, JACOBIANS = 16, 1000
"""Draws of a sampler whose chains are long, and what it may spend."""
FRESH = 2**31
"""Seeds from here on: no row of a bank."""
LEVEL = 0.01
FLOWS = (user_cache() or Path("cache")) / "boltzmann"


@cache
def flow(quick: bool) -> tuple[Path, float]:
    """The flow, made by the command that a user types, and the CPU seconds of labels, emulator and field."""
    folder = Path(tempfile.mkdtemp()) if quick else FLOWS
    path, words = folder / "faces.safetensors", ["train", "boltzmann", MODEL, "--largest", str(LARGEST)]
    tiny = ["--labels", "32", "--iterations", "5", "--width", "8"] if quick else []
    kept = path.with_suffix(".seconds")
    if not (path.exists() and kept.exists()):
        path.with_suffix(".training").unlink(missing_ok=True)  # its seconds are not known
        kept.write_text(f"{typed(*words, '--out', path, *tiny):.0f}")
    return path, float(kept.read_text())


@cache
def shipped() -> tuple[pp.Generator, Bank]:
    """The generator and its bank of 10,000, without what earlier draws have left in its cache."""
    generator = pp.load(MODEL, "cpu")
    return generator, Bank.open(generator.default_bank, cached=False)


def compare(rho: float, quick: bool) -> dict[str, Any]:
    """One rho: ESS, Jacobians and seconds of each sampler, and whether the flow draws what `online` draws."""
    generator, bank = shipped()
    path, seconds = flow(quick)
    draws = 2 if quick else DRAWS
    few = Bank.of(bank.info, {name: np.array(column) for name, column in bank.columns(0, CALIBRATION).items()})
    online, volumes = _drawn(generator, few, rho, "online", draws)
    found: dict[str, Any] = {"training_cpu_seconds": seconds, "online": online}
    for name in ("shift", str(path)):
        mine, drawn = _drawn(generator, bank, rho, f"boltzmann:{name}", draws)
        mine["p_against_online"] = float(ks_2samp(drawn, volumes).pvalue)
        mine["means"] = [float(drawn.mean()), float(volumes.mean())]
        found["shift" if name == "shift" else "flow"] = mine
    untilted = bank.log_volume(K)[CALIBRATION : CALIBRATION + draws]
    found["p_of_the_prior"] = float(ks_2samp(untilted, volumes).pvalue)
    report = pp.latent_sampler(generator, bank, rho, force=True).diagnostics
    found["bank"] = {"rows": report.rows, "ess": report.ess, "k_hat": report.k_hat}
    return found


def _drawn(
    generator: pp.Generator, bank: Bank, rho: float, name: str, draws: int
) -> tuple[dict[str, Any], np.ndarray]:
    """What a sampler's draws cost, and their log-volumes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is not trusted is told
        began = time.process_time()
        sampler: Any = pp.latent_sampler(generator, bank, rho, sampler=name, force=True)
        before, unpaid = time.process_time() - began, _jacobians(sampler)
        if name != "online":
            draws = min(draws, max(FEWEST, JACOBIANS // (1 + sampler.described()["steps"])))
        began = time.process_time()
        latents = sampler.sample(range(FRESH, FRESH + draws))
    seconds = (time.process_time() - began) / draws
    spent, report = sampler.diagnostics.spending, sampler.diagnostics
    found = {
        "draws": draws,
        "cpu_seconds_before": round(before, 1),
        "cpu_seconds_a_draw": round(seconds, 3),
        "jacobians_a_draw": (spent.jacobians - unpaid) / draws,
        "jacobians_an_effective_sample": spent.jacobians_per_effective_sample,
    }
    if name != "online":
        found |= {
            "gate": report.rows,
            "ess": report.ess,
            "k_hat": report.k_hat,
            **{key: sampler.described()[key] for key in ("steps", "left", "forward_ess")},
        }
    return found, LogVolumes(generator, bank, K, pp.jacobian_fn)(latents)


def _jacobians(sampler: Any) -> int:
    spent = sampler.diagnostics.spending
    return 0 if spent is None else spent.jacobians


def tell(run: dict[str, Any] | None, rho: float, report: Report) -> None:
    """Rows of one rho."""
    where = f"faces, rho {rho:g}"
    if run is None:
        report.add(where, "not run", detail="--full")
        return
    for name in ("flow", "shift"):
        found = run[name]
        detail = (
            f"k-hat {found['k_hat']:.2f}, forward ESS on the bank {found['forward_ess']:.2f}, chains of "
            f"{found['steps']} with {found['left']:.1%} of their first state left, "
            f"{found['jacobians_a_draw']:.0f} Jacobians and {found['cpu_seconds_a_draw']:.2f} CPU s a draw"
        )
        report.add(f"{where}, {name}: ESS, share", found["ess"] / found["gate"], detail=detail)
        same = found["p_against_online"] > LEVEL
        detail = f"{found['draws']} draws, mean log-volume {{:.1f}}, online's {{:.1f}}".format(*found["means"])
        detail += f"; the prior itself: p {run['p_of_the_prior']:.2g}"
        if same and run["p_of_the_prior"] > LEVEL:
            same, detail = None, detail + ", so this test sees nothing"
        what = f"{where}, {name}: same law as online, p"
        report.add(what, found["p_against_online"], "", f"> {LEVEL}", same, detail)
    online, bank = run["online"], run["bank"]
    detail = f"{online['jacobians_a_draw']:.1f} a draw, {online['cpu_seconds_a_draw']:.2f} CPU s a draw"
    report.add(
        f"{where}, online: Jacobians an effective sample", online["jacobians_an_effective_sample"], detail=detail
    )
    report.add(f"{where}, bank: ESS, share", bank["ess"] / bank["rows"], detail=f"k-hat {bank['k_hat']:.2f}")
