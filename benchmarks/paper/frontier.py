"""The frontier of precision and recall that truncation and polarity reach together: Fig. 1, 3 and 8 of the paper.

    POLARPRIOR_VENDOR=CHECKOUTS python benchmarks/paper/frontier.py [--quick]

Five psi times seven rho on ``mnist:style``, on the trained StyleGAN2, and on three classes of the trained
BigGAN-deep: polarity in pixel space, five banks for each psi; and truncation alone at thirteen psi. A frontier is the
settings that no other beats in both metrics; they are chosen on four banks and judged on the fifth, so that no
frontier is the best of noise. Through its settings goes a smooth curve, and only levels that both frontiers span are
compared, by the mean over them. Polarity draws some latents several times, and truncation does not: so a curve
over psi at one tilt also stands beside that of its controls, which have the same psi, the same repetitions and no
polarity, at the tilt that gains most on the four other banks. Precision and recall of few and far draws can both be
high where the draws are not alike the data; coverage at equal precision, and the Fréchet distance of all settings,
stand beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scene as shared
import torch
from claims import Claim, Part
from data import digits, grey
from matplotlib.figure import Figure
from polarprior.images.pictures import captioned_grid, png_bytes, to_uint8
from scene import Pieces, Real, Scene, experiment, interval, plain_row, polarity_row
from scipy.interpolate import PchipInterpolator
from telling import JUDGED, SECOND, Results, chosen_elsewhere, ess, shown, signed, table
from trained_networks import trained_scene

PSIS = (0.5, 0.6, 0.7, 0.85, 1.0)
ALONE = (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)
"""Psi of truncation alone, which needs no banks."""
TILTS = (-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0)
NETWORKS = {
    "mnist:style": (None, 10_000),
    "stylegan2_ada": (None, 4_000),
    "biggan_deep, class 1": (1, 1_000),
    "biggan_deep, class 3": (3, 1_000),
    "biggan_deep, class 8": (8, 1_000),
}
"""Class, and latents of a bank."""
LEVELS = 21
"""Precisions, or recalls, at which frontiers are compared."""
SHOWN = 16
PICTURES = Path(__file__).parents[2] / "docs" / "paper"


def scene_of(network: str, psi: float) -> Scene:
    """A network at a psi; at 1 it is not truncated."""
    settings: dict[str, Any] = {} if psi == 1 else {"trunc": psi}
    label = NETWORKS[network][0]
    if network.startswith("mnist:"):
        return Scene(network, label=label, **settings)
    return trained_scene(network.partition(",")[0], label=label, **settings)


def run(quick: bool) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    pieces = Pieces("frontier")
    for network in list(NETWORKS)[:1] if quick else NETWORKS:
        label, rows = NETWORKS[network]
        if not quick:
            shared.ROWS = rows
        real_ones = grey("test") if label is None else grey("test")[torch.from_numpy(digits("test")[1] == label)]
        shared.COMPARED = min(5_000, shared.ROWS, len(real_ones))
        both: list[Results] = []
        alone: list[Results] = []
        for psi in PSIS[::2] if quick else PSIS:
            scene = scene_of(network, psi)
            real = Real(scene, real_ones)
            for tilt in TILTS[::3] if quick else TILTS:
                row = pieces(scene, f"tilt{tilt}", partial(_row, scene, real, tilt))
                both.append({**row, "psi": psi, "asked": tilt})
                print(f"{network}, psi {psi:g}, tilt {tilt:g}", flush=True)
        for psi in ALONE[::4] if quick else ALONE:
            scene = scene_of(network, psi)
            row = pieces(scene, "alone", partial(_alone, scene, real))
            alone.append({**row, "psi": psi})
            print(f"{network}, psi {psi:g} alone", flush=True)
        found[network] = {"rows": shared.ROWS, "compared": shared.COMPARED, "both": both, "alone": alone}
        if not quick:
            (PICTURES / sheet_of(network)).write_bytes(_sheet(network, both, alone))
    return {"networks": found}


def _row(scene: Scene, real: Real, tilt: float) -> Results:
    row = polarity_row(scene, real, scene.rho_of(tilt))
    del row["model"]  # where a checkpoint lies on this machine
    return row


def _alone(scene: Scene, real: Real) -> Results:
    row = plain_row(scene, real)
    del row["model"]
    return row


def sheet_of(network: str) -> str:
    """The name of a network's sheet of pictures."""
    return f"frontier-{network.replace(':', '-').replace(', ', '-').replace(' ', '-')}.png"


AXES = ("precision", "recall", "coverage")
Points = np.ndarray
"""Precision, recall and coverage [settings, 3, banks]."""


def points(rows: Sequence[Results], space: str, part: str = "metrics") -> Points:
    """Precision, recall and coverage of these rows, bank by bank.

    Args:
        rows: of polarity, at some psi and rho.
        space: where they are judged.
        part: metrics, or control for the same repetitions without polarity.
    """
    return np.array([[row[part][space][name]["values"] for name in AXES] for row in rows])


def frontier(settings: Points) -> np.ndarray:
    """The settings [n, 3] that none beats in precision and recall, as indices in the order of their precision."""
    by_precision = np.lexsort((-settings[:, 1], -settings[:, 0]))
    best, kept = -np.inf, []
    for place in by_precision:
        if settings[place, 1] > best:
            best = settings[place, 1]
            kept.append(place)
    return np.array(kept[::-1])


def chosen(settings: Points, bank: int) -> np.ndarray:
    """Precision, recall and coverage [n, 3] of the frontier of the other banks, as a bank has them.

    Args:
        settings: as `points` gives them.
        bank: the judge.
    """
    others = [other for other in range(settings.shape[2]) if other != bank]
    return np.asarray(settings[frontier(settings[:, :, others].mean(2)), :, bank])


def gained(more: np.ndarray, plain: np.ndarray, equal: int, other: int) -> float:
    """How much more of one metric one curve has than another at equal levels of a second: the mean over `LEVELS`
    levels that both span; NaN where they span none.

    Args:
        more, plain: precision, recall and coverage, [n, 3] each.
        equal: which of them is equal.
        other: which of them is compared.
    """
    low, high = (
        pick(pick_of(each[:, equal]) for each in (more, plain)) for pick, pick_of in ((max, np.min), (min, np.max))
    )
    if not low < high:
        return float("nan")
    levels = np.linspace(low, high, LEVELS)
    first, second = (curve(each[:, equal], each[:, other])(levels) for each in (more, plain))
    return float((first - second).mean())


def curve(x: np.ndarray, y: np.ndarray) -> PchipInterpolator:
    """A smooth curve through points, monotone between neighbours (Fritsch and Butland 1984): straight lines would lie
    below a bent frontier, the further the fewer its points. Points of one x count as their mean."""
    places, which = np.unique(x, return_inverse=True)
    means = np.bincount(which, y) / np.bincount(which)
    return PchipInterpolator(places, means)


def hypervolume(settings: np.ndarray) -> float:
    """The area of precision times recall that lies below the curve through these settings [n, 3], from the origin on:
    the hypervolume of Zitzler and Thiele (1998), below a curve and not below steps, which have more of it for more
    points."""
    below = curve(settings[:, 0], settings[:, 1])
    start, end = below.x[[0, -1]]
    return float(start * below(start) + below.integrate(start, end))


def compared(rows: dict[str, Any], space: str) -> dict[str, dict[str, Results | None]]:
    """What polarity gains by each of `METRICS`, bank by bank, by the pair of curves that is compared: of the banks in
    which they have a level in common, ``of`` how many; None where there is none."""
    trusted = [row for row in rows["both"] if row["within_limits"] == 1]
    alone, both = points(rows["alone"], space), points([*trusted, *rows["alone"]], space)
    whole = points([row for row in trusted if row["psi"] == 1], space)
    return {
        BOTH: _gains(lambda bank: (chosen(both, bank), chosen(alone, bank)), both.shape[2]),
        POLARITY: _gains(lambda bank: (chosen(whole, bank), chosen(alone, bank)), both.shape[2]),
        MATCHED: _matched(trusted, space),
    }


BOTH, POLARITY, MATCHED = "both beside truncation", "polarity alone beside truncation", "with the same repetitions"
Gain = Callable[[np.ndarray, np.ndarray], float]
METRICS: dict[str, Gain] = {
    "recall": partial(gained, equal=0, other=1),
    "precision": partial(gained, equal=1, other=0),
    "hypervolume": lambda more, plain: hypervolume(more) - hypervolume(plain),
    "coverage": partial(gained, equal=0, other=2),
}
"""What one curve has more than another, given both; coverage is looked at, and decides nothing."""
DECIDING = ("recall", "precision", "hypervolume")
Pair = tuple[np.ndarray, np.ndarray]


def _gains(curves: Callable[[int], Pair], banks: int) -> dict[str, Results | None]:
    found: dict[str, Results | None] = {}
    for name, gain in METRICS.items():
        values = [gain(*curves(bank)) for bank in range(banks)]
        there = [value for value in values if not np.isnan(value)]
        found[name] = {**interval(there), "of": banks} if there else None
    return found


def _matched(rows: Sequence[Results], space: str) -> dict[str, Results | None]:
    """The curve over psi of the tilt that gains most on the other banks, beside that of its controls, of the tilts
    that all banks support at all psi."""
    curves = {}
    for tilt in (each for each in TILTS if each):
        own = [row for row in rows if row["asked"] == tilt]
        if len(own) == len({row["psi"] for row in rows}):
            curves[tilt] = points(own, space), points(own, space, "control")
    found: dict[str, Results | None] = {}
    for name, gain in METRICS.items():
        gains = {
            tilt: [gain(*(each[:, :, bank] for each in pair)) for bank in range(pair[0].shape[2])]
            for tilt, pair in curves.items()
        }
        gains = {tilt: values for tilt, values in gains.items() if not np.isnan(values).any()}
        found[name] = None
        if gains:
            losses = {tilt: [-value for value in values] for tilt, values in gains.items()}
            values = [gains[tilt][bank] for bank, tilt in enumerate(chosen_elsewhere(losses))]
            found[name] = {**interval(values), "of": len(values)}
    return found


def tell(results: Results, pictures: Path) -> str:
    """The frontiers, and what is gained on each."""
    networks = results["networks"]
    figure = Figure(figsize=(4 * len(networks), 7), layout="constrained")
    panels = figure.subplots(2, len(networks), squeeze=False)
    cells = []
    settings = []
    for (network, rows), (upper, lower) in zip(networks.items(), panels.T, strict=True):
        for space, panel in ((JUDGED, upper), (SECOND, lower)):
            _draw(panel, rows, space)
            panel.set(title=f"{network}\njudged in {space}", xlabel="precision", ylabel="recall")
            for name, gains in compared(rows, space).items():
                cells.append((network, space, name, *(_in_short(gains[metric]) for metric in METRICS)))
        for row in sorted((*rows["both"], *rows["alone"]), key=lambda row: (row["psi"], row.get("tilt", 0.0))):
            where = (
                (f"{row['psi']:g}", f"{row['tilt']:.2f}", ess(row)) if "tilt" in row else (f"{row['psi']:g}", "", "")
            )
            figures = [shown(row["metrics"][JUDGED][name]) for name in (*AXES, "fid")]
            settings.append((network, *where, *figures, shown(row["metrics"][SECOND]["fid"])))
    panels[0, 0].legend(fontsize=6)
    figure.savefig(pictures / "frontier.png", dpi=100)
    heads = ("network", "judged in", "curves", *(f"{name} gained" for name in METRICS))
    of_settings = ("network", "psi", "tilt", "ESS", *AXES, "FID", f"FID in {SECOND}")
    about = "Pictures of truncation, and of settings with as much precision, and as much recall"
    sheets = "\n\n".join(f"![{about}: {network}](paper/{sheet_of(network)})" for network in networks)
    about_gains = (
        "means over the levels that both curves span, of settings that all five banks support; hypervolume is the "
        "area of precision times recall below a curve, and coverage is compared at equal precision. More recall with "
        "less coverage is no more variety: draws crowd in fewer places, between which there is more room; the sheets "
        "show where."
    )
    picture = "![Precision and recall over psi and rho](paper/frontier.png)"
    return "\n\n".join((about_gains, table(heads, cells), table(of_settings, settings), picture, sheets))


def _in_short(gain: Results | None) -> str:
    """A gain, and in how many banks there is one."""
    if gain is None:
        return "no level in common"
    missing = len(gain["values"]) < gain["of"]
    return f"{gain['mean']:+.3f} in {len(gain['values'])} of {gain['of']} banks" if missing else signed(gain)


def _draw(panel: Any, rows: dict[str, Any], space: str) -> None:
    """Settings as points, a line a psi, and the frontiers of all banks."""
    trusted = [row for row in rows["both"] if row["within_limits"] == 1]
    for number, psi in enumerate(PSIS):
        line = [row for row in trusted if row["psi"] == psi]
        if line:
            panel.plot(
                *points(line, space).mean(2)[:, :2].T, "o-", ms=2, lw=0.6, color=f"C{number}", label=f"psi {psi:g}"
            )
    for part, style, label in (
        ([*trusted, *rows["alone"]], "k-", "frontier of both"),
        (rows["alone"], "k:", "of truncation"),
    ):
        means = points(part, space).mean(2)[:, :2]
        panel.plot(*means[frontier(means)].T, style, lw=1.2, label=label)


def _sheet(network: str, both: Sequence[Results], alone: Sequence[Results]) -> bytes:
    """Pictures of truncation at psi 0.7, and of settings with polarity that have as much precision, and as much
    recall, with most of the other."""
    trusted = [row for row in both if row["within_limits"] == 1 and row["rho"]]
    means = points(trusted, JUDGED).mean(2)
    plain = next(row for row in alone if row["psi"] == 0.7)
    start = points([plain], JUDGED).mean(2)[0]
    shown: list[tuple[str, Results, np.ndarray]] = [("truncation", {"rho": 0.0, **plain}, start)]
    for metric, name in ((0, "as much precision"), (1, "as much recall")):
        able = np.flatnonzero(means[:, metric] >= start[metric])
        if able.size:
            place = int(able[np.argmax(means[able, 1 - metric])])
            shown.append((name, trusted[place], means[place]))
    images, captions = [], []
    for name, row, (precision, recall, coverage) in shown:
        scene = scene_of(network, row["psi"])
        drawn = scene.polarised(0, row["rho"])[0][:SHOWN]
        latents = scene.generator.prior.draw(scene.bank(0).seeds[drawn], scene.label)
        images.append(to_uint8(scene.generator(latents)))
        where = f"psi {row['psi']:g}, rho {row['rho']:g}"
        captions.append((name, f"{where}\nprecision {precision:.2f}\nrecall {recall:.2f}\ncoverage {coverage:.2f}"))
    heads = [str(place) for place in range(SHOWN)]
    return png_bytes(captioned_grid(images, captions, network, heads, [np.zeros(SHOWN, bool)] * len(images)))


def claims(results: Results) -> list[Claim]:
    """Fig. 1, 3 and 8."""
    networks = results["networks"]
    whole = [name for name in networks if "class" not in name]
    classes = [name for name in networks if "class" in name]

    found = {name: {space: compared(rows, space) for space in (JUDGED, SECOND)} for name, rows in networks.items()}

    def claim(figures: str, says: str, names: Sequence[str], case: str, metrics: Sequence[str]) -> Claim:
        parts = tuple(
            _part(f"{name}, judged in {space}: {metric}", found[name][space][case][metric])
            for name in names
            for space in (JUDGED, SECOND)
            for metric in metrics
        )
        how = case if case == MATCHED else f"{case}, repetitions not matched"
        return Claim("4.1", figures, says, f"{how}: {', '.join(metrics)} gained, the mean over levels", parts)

    alone, with_more = "polarity alone has", "than truncation, where both reach"
    extend, gains = (
        "polarity and truncation together extend the frontier",
        "at one tilt, over psi, polarity gains over its control",
    )
    return [
        claim("Fig. 1, 3", f"{alone} more recall at equal precision {with_more}", whole, POLARITY, ["recall"]),
        claim("Fig. 1, 3", f"{alone} more precision at equal recall {with_more}", whole, POLARITY, ["precision"]),
        claim("Fig. 1, 3", extend, whole, BOTH, DECIDING),
        claim("Fig. 1, 3", gains, whole, MATCHED, DECIDING),
        claim("Fig. 8", f"{extend} within a class", classes, BOTH, DECIDING),
        claim("Fig. 8", f"within a class, {gains}", classes, MATCHED, DECIDING),
    ]


def _part(what: str, gain: Results | None) -> Part:
    """A gain that is above 0 as claimed; it is judged where all banks have one."""
    whole = gain is not None and len(gain["values"]) == gain["of"]
    return Part(
        what if whole or gain is None else f"{what} ({_in_short(gain)})", gain if whole else None, 1, chosen=True
    )


if __name__ == "__main__":
    experiment("frontier", "Fig. 1, 3, 8", run)
