"""The settings of a pipeline: what it is asked for, and how."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from polarprior.plugin import Domain, OwnSetting, Settings, UsageError, number, text, whole

from polarprior_diffusers.running import parameters_of

SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
SEEDS = ("diffusers", "comfyui")
WORDS = {
    "prompt": ("prompt",),
    "negative_prompt": ("negative_prompt",),
    "steps": ("num_inference_steps",),
    "guidance": ("guidance_scale",),
    "size": ("width", "height"),
}
"""By setting, what a pipeline's ``__call__`` calls it."""


def _is_size(value: Any) -> bool:
    return isinstance(value, str) and SIZE.fullmatch(value) is not None


OWN: dict[str, OwnSetting] = {
    "prompt": OwnSetting(str, text('use {name}="a photo of a cat"'), "what the picture shows"),
    "negative_prompt": OwnSetting(str, text('use {name}="blurry"'), "what it doesn't, with guidance above 1"),
    "steps": OwnSetting(int, whole(1, 1000, "use {name}=1"), "of the scheduler; the pipeline's own if not given"),
    "guidance": OwnSetting(
        float,
        number(least=0, use="use {name}=0"),
        "scale of guidance by the prompt, the pipeline's own if not given; 0 for models distilled to few steps",
    ),
    "size": OwnSetting(
        str,
        Domain("WIDTHxHEIGHT in pixels", _is_size, "use {name}=512x512"),
        "WIDTHxHEIGHT in pixels, the pipeline's own if not given",
    ),
    "seeds": OwnSetting(
        str,
        Domain(" or ".join(SEEDS), lambda value: value in SEEDS, "leave it out"),
        "whose seeds they are: diffusers (a generator a picture, in the model's dtype), or comfyui (in float32)",
    ),
    "revision": OwnSetting(str, text("leave it out"), "of a model from the Hub: its commit, as in REPO@REVISION"),
}
"""What the plugin's models can be told besides truncation, temperature and noise mode."""


def in_force(pipe: Any, asked: Settings, revision: str = "") -> Settings:
    """The settings of a pipeline: those that are asked for, and for its steps and its guidance its own.

    Args:
        pipe: of diffusers.
        asked: what is asked for.
        revision: of a model from the Hub, its commit.

    Raises:
        UsageError: a setting that the pipeline doesn't take, or no prompt where it needs one.
    """
    takes, name = parameters_of(pipe), type(pipe).__name__
    possible = [each for each, words in WORDS.items() if all(word in takes for word in words)]
    asked.check_only((*possible, "seeds", "revision"), name, f"use some of {', '.join((*possible, 'seeds'))}")
    own = dict(asked.own)
    for each in ("steps", "guidance"):
        default = takes[WORDS[each][0]].default if each in possible else None
        if each not in own and isinstance(default, int | float):
            own[each] = OWN[each].kind(default)
    if "prompt" in possible and "prompt" not in own:
        raise UsageError(f"prompt: {name} makes its pictures from one, got none", 'use prompt="a photo of a cat"')
    if revision:
        own["revision"] = revision
    return Settings(own=own)


def arguments_of(settings: Settings) -> dict[str, Any]:
    """The arguments of ``__call__`` that settings stand for."""
    found: dict[str, Any] = {}
    own: Mapping[str, Any] = dict(settings.own)
    for name in WORDS:
        if name not in own:
            continue
        if name == "size":
            size = SIZE.fullmatch(own[name])
            assert size is not None  # as the domain has it
            found |= {"width": int(size[1]), "height": int(size[2])}
        else:
            found[WORDS[name][0]] = own[name]
    return found
