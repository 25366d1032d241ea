"""What the samplers of a polarity prior cost, and whether they draw the same: `bank`, `online`, `paper-online`.

    python benchmarks/samplers.py [--quick] [--json FILE]

The face generator, k = 30. A calibration bank of 1,000 latents is built, and draws are taken from it by the online
sampler and by the paper's Algorithm 2 (from 100 of its rows: with all of them a draw costs 1,000 Jacobians); the bank
sampler draws from the plugin's own bank of 10,000. Then statistics of the image are held still. 25 CPU minutes.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import polarprior as pp
from polarprior.bank.bank import Bank
from polarprior.law.diagnostics import diagnose
from polarprior.law.image_statistics import brightness, contrast
from polarprior.law.limits import limits_on
from polarprior.law.weights import polarity_weights
from polarprior.samplers.true_volumes import LogVolumes
from polarprior_benchmarks.reporting import Report
from scipy.special import logsumexp
from scipy.stats import ks_2samp
from tqdm import tqdm

MODEL, K = "dcgan-faces", 30
CALIBRATION, PAPER = 1000, 100
FRESH = 2**31
GOALS = {0.1: 1.15, -0.1: 1.15, 0.2: 1.6}
LEVEL = 0.01


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a minute: few draws, the calibration from the plugin")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    report = Report()
    generator = pp.load(MODEL, "cpu")
    shipped = Bank.open(generator.default_bank, cached=False)
    calibration = _calibration(generator, shipped, asked.quick, report)
    draws = 16 if asked.quick else 256
    for rho, goal in GOALS.items():
        _compare(generator, shipped, calibration, rho, goal, draws if rho == 0.1 else draws // 2, report)
    _paper(generator, shipped, calibration, 1 if asked.quick else 10, report)
    for rho in (0.1, -0.1):
        _hold(
            generator,
            shipped,
            calibration,
            rho,
            500 if asked.quick else 10_000,
            draws // 2 if rho > 0 else draws // 4,
            report,
        )
    report.write(asked.json, Path(__file__).parent, calibration=CALIBRATION, k=K, draws=draws)


def _calibration(generator, shipped, quick, report):
    began = time.process_time()
    if quick:
        columns = {name: np.array(column) for name, column in shipped.columns(0, CALIBRATION).items()}
        return Bank.of(shipped.info, columns)
    bank = pp.build_bank(generator, CALIBRATION, K, progress=True)
    report.add("calibration of 1,000 latents", time.process_time() - began, "CPU s", detail=f"{limits_on(bank)}")
    return bank


def _compare(generator, shipped, calibration, rho, goal, draws, report):
    """One rho: cost and law of `online` beside `bank`."""
    where = f"rho {rho:g}"
    calibration = Bank.of(calibration.info, calibration.columns())  # forgets what other draws have solved
    sampler = pp.latent_sampler(generator, calibration, rho, sampler="online")
    began = time.process_time()
    sampler.sample(range(FRESH, FRESH + 16))
    first = sampler.diagnostics.spending
    if rho == 0.1:
        total = CALIBRATION + first.solved
        report.add(
            f"{where}: Jacobians for the first 16 samples, with calibration", total, "", "< 1100", total < 1100
        )
    latents = sampler.sample(range(FRESH + 16, FRESH + 16 + draws))
    spent, seconds = sampler.diagnostics.spending, time.process_time() - began
    cost = spent.jacobians_per_effective_sample
    report.add(
        f"{where}: online, Jacobians an effective sample",
        cost,
        "",
        f"<= {goal}",
        cost <= goal,
        f"{spent.jacobians} Jacobians, importance ESS {spent.ess:.0f}",
    )
    detail = f"{spent.screened / spent.drawn:.0f} forward passes, {seconds / spent.drawn:.2f} CPU s a draw"
    report.add(f"{where}: online, Jacobians a draw", spent.jacobians_per_draw, "", detail=detail)
    report.add(
        f"{where}: online, beyond the bound, of draws",
        spent.exceedances,
        "",
        detail=f"{spent.beyond:.2%} of the law; {spent.exhausted} exhausted of {spent.drawn}",
    )
    weights = polarity_weights(shipped.log_volume(), rho)
    report.add(
        f"{where}: bank of {len(shipped)}, Jacobians an effective sample",
        len(shipped) / weights.ess,
        "",
        detail=f"ESS {weights.ess:.0f}, limits {limits_on(shipped)}",
    )
    online = LogVolumes(generator, calibration, K, pp.jacobian_fn)(latents)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # at -0.1 the bank is a little beyond its limit
        bank = pp.latent_sampler(generator, shipped, rho, force=True)
    drawn = shipped.log_volume()[shipped.rows_by_hash(*_keys(bank.sample(range(FRESH, FRESH + 4000))))]
    found = ks_2samp(online, drawn)
    detail = f"mean log-volume {online.mean():.2f} ± {online.std() / len(online) ** 0.5:.2f}, bank {drawn.mean():.2f}"
    valid = rho in limits_on(shipped)
    report.add(
        f"{where}: online against bank, Kolmogorov-Smirnov p",
        float(found.pvalue),
        "",
        f"> {LEVEL}" if valid else "",
        found.pvalue > LEVEL if valid else None,
        detail,
    )


def _paper(generator, shipped, calibration, draws, report):
    """Algorithm 2, run with few rows, and its acceptance as the plugin's bank expects it with all of them."""
    few = Bank.of(calibration.info, calibration.columns(0, PAPER))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = pp.latent_sampler(generator, few, 0.1, sampler="paper-online", force=True)
    sampler.sample(range(FRESH, FRESH + draws))
    spent = sampler.diagnostics.spending
    report.add(
        f"rho 0.1: paper-online from {PAPER} rows, Jacobians a draw",
        spent.jacobians_per_draw,
        "",
        detail=f"{spent.drawn} draws, {spent.exhausted} exhausted",
    )
    for rho in GOALS:
        log_sum = logsumexp(rho * calibration.log_volume())
        log_w = rho * shipped.log_volume()
        accepted = float(np.exp(log_w - np.logaddexp(log_w, log_sum)).mean())
        report.add(f"rho {rho:g}: paper-online from {CALIBRATION} rows, Jacobians a draw, expected", 1 / accepted)


def _hold(generator, shipped, calibration, rho, draws, online_draws, report):
    """Contrast and brightness held: fresh draws against fresh latents of the prior."""
    held = ("contrast", "brightness")
    prior = _statistics(generator, generator.prior.draw(range(FRESH, FRESH + draws)))
    free = diagnose(shipped.log_volume(), rho, K, limits=limits_on(shipped)).mean_log_volume
    plain = float(shipped.log_volume().mean())
    for name, bank, count in (("bank", shipped, draws), ("online", calibration, online_draws)):
        sampler = pp.latent_sampler(generator, bank, rho, sampler=name, hold=held, force=True)
        latents = sampler.sample(range(FRESH + draws, FRESH + draws + count))
        found = _statistics(generator, latents)
        volumes = LogVolumes(generator, bank, K, pp.jacobian_fn)(latents)
        ess = sampler.diagnostics.ess
        for column, statistic in enumerate(held):
            for moment, of in (("mean", _mean), ("std", _std)):
                (there, error), (here, own) = of(prior[:, column]), of(found[:, column])
                # The law itself is known from a bank: its rows, counted by ESS, are as good as draws.
                deviation = (here - there) / np.sqrt(error**2 + own**2 * (1 + len(found) / ess))
                report.add(
                    f"rho {rho:g}, held, {name}: {moment} of {statistic}, in standard errors",
                    float(deviation),
                    "",
                    "|z| < 3",
                    abs(deviation) < 3,
                    f"prior {there:.4f}, drawn {here:.4f}",
                )
        expected = sampler.diagnostics.mean_log_volume
        error = volumes.std() * np.sqrt(1 / len(volumes) + 1 / ess)
        deviation = float((volumes.mean() - expected) / error)
        report.add(
            f"rho {rho:g}, held, {name}: mean log-volume against the weights",
            deviation,
            "se",
            "|z| < 3",
            abs(deviation) < 3,
            f"{volumes.mean():.2f}, weights say {expected:.2f}; prior {plain:.2f}, not held {free:.2f}",
        )


def _statistics(generator, latents):
    batches = range(0, len(latents), 64)
    parts = []
    for start in tqdm(batches, "images", disable=None):
        images = generator(latents[start : start + 64], batch_size=64)
        parts.append(np.stack([contrast(images).numpy(), brightness(images).numpy()], 1))
    return np.concatenate(parts).astype(np.float64)


def _mean(values):
    return values.mean(), values.std() / np.sqrt(len(values))


def _std(values):
    std = values.std()
    fourth = ((values - values.mean()) ** 4).mean()
    return std, np.sqrt((fourth - std**4) / len(values)) / (2 * std)


def _keys(latents):
    from polarprior.hashing import latent_hash

    return latent_hash(latents.z), np.zeros(len(latents), np.int64)


if __name__ == "__main__":
    main()
