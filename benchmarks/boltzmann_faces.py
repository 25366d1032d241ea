"""The polarity prior of the face generator by a flow, beside its free baseline, `bank` and `online`; run by
`boltzmann.py`."""

from __future__ import annotations

import time
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polarprior as pp
from polarprior.bank.bank import Bank
from polarprior.cli.main import main as polarprior
from polarprior.files import user_cache
from polarprior.prior.log_volumes import LogVolumes
from reporting import Report
from scipy.stats import ks_2samp

MODEL, K, LARGEST = "dcgan-faces", 30, 0.25
CALIBRATION, DRAWS = 1000, 64
FRESH = 2**31
"""Seeds from here on: no row of a bank."""
LEVEL = 0.01
FLOW = (user_cache() or Path("cache")) / "boltzmann" / "faces.safetensors"


def flow(quick: bool) -> tuple[Path, float]:
    """The flow, made by the command that a user types, and the CPU seconds of labels, emulator and field."""
    path = FLOW.with_name("quick.safetensors") if quick else FLOW
    began = time.process_time()
    if not path.exists():
        words = ["train", "boltzmann", MODEL, "--largest", str(LARGEST), "--out", str(path)]
        tiny = ["--labels", "32", "--iterations", "5", "--width", "8"] if quick else []
        if polarprior([*words, *tiny]):
            raise SystemExit("the training failed")
        path.with_suffix(".seconds").write_text(f"{time.process_time() - began:.0f}")
    return path, float(path.with_suffix(".seconds").read_text())


@cache
def shipped() -> tuple[pp.Generator, Bank]:
    """The generator and its bank of 10,000, without what earlier draws have left beside it."""
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
        before = time.process_time() - began
        began = time.process_time()
        latents = sampler.sample(range(FRESH, FRESH + draws))
    seconds = (time.process_time() - began) / draws
    spent, report = sampler.diagnostics.spending, sampler.diagnostics
    found = {
        "cpu_seconds_before": round(before, 1),
        "cpu_seconds_a_draw": round(seconds, 3),
        "jacobians_a_draw": spent.jacobians / draws,
        "jacobians_an_effective_sample": spent.jacobians_per_effective_sample,
    }
    if name != "online":
        found |= {
            "gate": report.rows,
            "ess": report.ess,
            "k_hat": report.k_hat,
            "forward_ess_on_bank": sampler.forward_ess_on(bank),
            **{key: sampler.described()[key] for key in ("steps", "r2") if key in sampler.described()},
        }
    return found, LogVolumes(generator, bank, K)(latents)


def tell(run: dict[str, Any] | None, rho: float, report: Report) -> None:
    """Rows of one rho."""
    where = f"faces, rho {rho:g}"
    if run is None:
        report.add(where, "not run", detail="--full")
        return
    for name in ("flow", "shift"):
        found = run[name]
        detail = (
            f"k-hat {found['k_hat']:.2f}, forward ESS on the bank {found['forward_ess_on_bank']:.2f}, "
            f"{found['jacobians_a_draw']:.0f} Jacobians and {found['cpu_seconds_a_draw']:.2f} CPU s a draw"
        )
        report.add(f"{where}, {name}: ESS, share", found["ess"] / found["gate"], detail=detail)
        same = found["p_against_online"] > LEVEL
        detail = "mean log-volume {:.1f}, online's {:.1f}".format(*found["means"])
        what = f"{where}, {name}: same law as online, p"
        report.add(what, found["p_against_online"], "", f"> {LEVEL}", same, detail)
    online, bank = run["online"], run["bank"]
    detail = f"{online['jacobians_a_draw']:.1f} a draw, {online['cpu_seconds_a_draw']:.2f} CPU s a draw"
    report.add(
        f"{where}, online: Jacobians an effective sample", online["jacobians_an_effective_sample"], detail=detail
    )
    report.add(f"{where}, bank: ESS, share", bank["ess"] / bank["rows"], detail=f"k-hat {bank['k_hat']:.2f}")
