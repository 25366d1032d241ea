"""The settings of the samplers: their steps, the noise levels between which these are, and guidance."""

from __future__ import annotations

from typing import Any

from polarprior.plugin import OwnSetting, Settings, UsageError, number, whole

STEPS = {"edm": 18, "edm2": 32}
"""The steps of each repository's script where none are asked for."""
LEVELS = {"sigma_min": 0.002, "sigma_max": 80.0, "exponent": 7.0}
GUIDANCE = {"guidance": 1.0}


def own_settings_of(plugin: str) -> dict[str, OwnSetting]:
    """What `polarprior.plugin.OwnSetting` says of each setting of a plugin's models."""
    level = number(above=0, use="use such as {name}=0.01")
    found = {
        "steps": OwnSetting(int, whole(2, 10_000, "use such as {name}=18"), f"of the sampler, {STEPS[plugin]}"),
        "sigma_min": OwnSetting(float, level, "lowest noise level, 0.002, or the lowest that the network knows"),
        "sigma_max": OwnSetting(float, level, "highest noise level, 80, or the highest that the network knows"),
        "exponent": OwnSetting(
            float, level, "how much denser the steps are at low levels, 7; what the scripts call rho"
        ),
    }
    if plugin == "edm2":
        strength = number(use="use such as {name}=1.4")
        found["guidance"] = OwnSetting(float, strength, "strength of guidance by GNET.pkl, 1: none")
    return found


def in_force(plugin: str, network: Any, asked: Settings) -> Settings:
    """All settings of a model, those that are asked for and the script's own for the others.

    Args:
        plugin: its name.
        network: stock module; EDM's know between which noise levels they were trained, and their sampler goes no
            further.
        asked: what is asked for.

    Raises:
        UsageError: a setting that the plugin's models don't have, or noise levels in the wrong order.
    """
    own = {"steps": STEPS[plugin], **LEVELS, **(GUIDANCE if plugin == "edm2" else {})}
    asked.check_only(tuple(own), plugin, f"use some of {', '.join(own)}")
    own |= {name: type(own[name])(value) for name, value in dict(asked.own).items()}
    if plugin == "edm":
        own["sigma_min"] = max(own["sigma_min"], float(network.sigma_min))
        own["sigma_max"] = min(own["sigma_max"], float(network.sigma_max))
    if not own["sigma_min"] < own["sigma_max"]:
        raise UsageError(
            f"sigma_min: got {own['sigma_min']:g}, expected less than sigma_max, which is {own['sigma_max']:g}",
            "leave both out",
        )
    return Settings(own=own)
