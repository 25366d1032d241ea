"""Latents of a polarity prior for a pipeline that somebody has loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polarprior.plugin import Settings, UsageError

from polarprior_diffusers.settings import WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polarprior import Bank
    from torch import Tensor


def latents(
    pipe: Any,
    seeds: Sequence[int],
    *,
    rho: float | None = None,
    tilt: float | None = None,
    keep: int | None = None,
    bank: Bank | None = None,
    best: bool = False,
    k: int | None = None,
    force: bool = False,
    **call: Any,
) -> Tensor:
    """Latents to hand to ``pipe(latents=...)``, with the same arguments for the rest.

    Without a polarity they are what the pipeline draws for ``generator=[torch.Generator().manual_seed(seed)]``, one a
    picture. With a bank each seed becomes a row of it; without one `keep` of the seeds are picked, see
    `polarprior.pick`.

    Args:
        pipe: of diffusers; it is left as it is.
        seeds: stock seeds, n of them.
        rho, tilt: the polarity, one of them, or neither.
        keep: how many are picked, where there is no bank.
        bank: spectra of the pipeline's latents, with these arguments.
        best, k, force: see `polarprior.PickOptions`; the last two also of a draw from a bank.
        call: arguments of the pipeline's ``__call__``: prompt, negative_prompt, num_inference_steps, guidance_scale,
            width and height.

    Returns:
        [n or keep, *shape], in the dtype of the pipeline's network, where that is.

    Raises:
        UsageError: an argument that the pipeline doesn't take, or that no setting stands for, or no `keep`.
        BankError: the bank is for other arguments.
    """
    import polarprior as pp

    from polarprior_diffusers.generator import generator_of

    generator = generator_of(pipe, _settings(call))
    assert generator.runner is not None
    like = generator.runner.like
    drawn = generator.prior.draw(seeds)
    if rho is None and tilt is None:
        return drawn.z.to(like)
    if bank is not None:
        sampler = pp.latent_sampler(generator, bank, rho or 0.0, tilt=tilt, k=k, force=force)
        return sampler.redraw(drawn.z).z.to(like)
    if keep is None:
        raise UsageError("keep: got none, and no bank either", "say how many of the seeds are kept: keep=4")
    found = pp.pick(generator, seeds=seeds, keep=keep, rho=rho, tilt=tilt, best=best, k=k, force=force)
    return found.latents.z.to(like)


def _settings(call: dict[str, Any]) -> Settings:
    """The settings that arguments of a pipeline stand for."""
    given = {name: value for name, value in call.items() if value is not None}
    own: dict[str, Any] = {}
    if "width" in given or "height" in given:
        if not {"width", "height"} <= {*given}:
            raise UsageError("width, height: got one of them", "give both")
        own["size"] = f"{given.pop('width')}x{given.pop('height')}"
    names = {words[0]: name for name, words in WORDS.items() if len(words) == 1}
    for word, value in given.items():
        if word not in names:
            known = ", ".join((*names, "width", "height"))
            raise UsageError(
                f"{word}: latents can't be drawn for it, expected some of {known}", "leave it to pipe(...)"
            )
        own[names[word]] = value
    return Settings(own=own)
