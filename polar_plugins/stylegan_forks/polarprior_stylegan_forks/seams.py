"""Where latents pass in the stock scripts: the network that they are given to, of the generator that is loaded."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from polarprior.plugin import Settings, StockRun, UsageError, ending_the_script
from polarprior_stylegan2.seam import Redraw, Use, hook_networks, use_of, use_of_metrics

from polarprior_stylegan_forks.fastgan import draws_noise, is_fastgan
from polarprior_stylegan_forks.opening import opened


def connect_projected_gan(run: StockRun) -> None:
    """Hook the mapping network of every generator, which a FastGAN has in name."""

    def hook(network: Any, run: StockRun) -> None:
        if run.polarity is None:
            return
        fastgan = is_fastgan(network)
        with ending_the_script():
            use = use_of(run, not fastgan, network.c_dim)
            if fastgan:  # truncation does nothing there, and classes go elsewhere
                use = use._replace(settings=Settings())
            redraw = _redraw(run, "projected-gan", network, use, replaces_label=not fastgan)
        if fastgan and draws_noise(network):
            print(
                f"warning: {run.script} draws noise anew for each image; log-volumes are those without noise",
                file=sys.stderr,
            )
        network.mapping.register_forward_pre_hook(redraw, with_kwargs=True)

    hook_networks(run, hook)


def connect_stylegan_xl(run: StockRun) -> None:
    """Hook the mapping network of every generator.

    Classes stay the script's: it looks up the average style of a class beside the mapping network.
    """

    def hook(network: Any, run: StockRun) -> None:
        if run.polarity is None:
            return
        with ending_the_script():
            redraw = _redraw(run, "stylegan-xl", network, _use_of_xl(run, network.c_dim), replaces_label=False)
        network.mapping.register_forward_pre_hook(redraw, with_kwargs=True)

    hook_networks(run, hook)


def connect_r3gan(run: StockRun) -> None:
    """Hook every generator itself, which goes straight from latents to images."""

    def hook(network: Any, run: StockRun) -> None:
        if run.polarity is None:
            return
        with ending_the_script():
            redraw = _redraw(run, "r3gan", network, _use_of_r3gan(run, network.c_dim), ("x", "c"))
        network.register_forward_pre_hook(redraw, with_kwargs=True)

    hook_networks(run, hook)


def _redraw(
    run: StockRun,
    plugin: str,
    network: Any,
    use: Use,
    names: tuple[str, str] = ("z", "c"),
    replaces_label: bool = True,
) -> Redraw:
    """What replaces the latents of a network's forward pass.

    Args:
        run: with a polarity.
        plugin: whose network it is.
        network: as the script has loaded it.
        use: how the script uses it.
        names: what its ``forward`` calls latents and classes.
        replaces_label: classes can be replaced as well.

    Raises:
        PolarPriorError: a network of another kind.
    """
    file = run.values().get("network_pkl")
    generator = replace(opened(plugin, network, use.settings, f"--network: {file}"), source=f"{plugin}:{file}")
    label = None if generator.num_classes is None else use.label
    return Redraw(run.sampler(generator, label, use.draws, replaces_label), network.c_dim, names)


def _use_of_xl(run: StockRun, num_classes: int) -> Use:
    """What the command line came to: several latents a seed, and classes that are one, a list, or drawn.

    Raises:
        UsageError: truncation towards several centres, or a class that the bank lacks.
    """
    values = run.values()
    if values.get("centroids_path") is not None:
        raise UsageError(
            "--centroids-path: each style is truncated towards the nearest of several centres, and a bank's "
            "log-volumes are those of one centre a class",
            "leave it out, or leave --polarity out",
        )
    asked = values.get("class_idx")
    classes = {asked} if isinstance(asked, int) else set(asked or ())
    if num_classes and not classes:
        run.check_all_classes(num_classes)
    label = classes.pop() if len(classes) == 1 else None
    draws = len(set(values["seeds"])) * values.get("batch_sz", 1)
    return Use(Settings(trunc=values["truncation_psi"]), label, draws)


def _use_of_r3gan(run: StockRun, num_classes: int) -> Use:
    values = run.values()
    if run.script == "calc_metrics.py":
        return use_of_metrics(run, False, num_classes)._replace(settings=Settings())
    return Use(Settings(), values.get("class_idx"), len(set(values["seeds"])))
