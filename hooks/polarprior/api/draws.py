"""What a polarity does: draws, sweeps, searches, modes and scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from polarprior.arguments import (
    BANK,
    GENERATOR,
    HOST,
    LABEL,
    RHO,
    SEEDS_OF_A_DRAW,
    SPACE,
    K,
    checked,
    either,
    function,
    instance,
    text,
)
from polarprior.generator import as_seeds
from polarprior.host import Host, default_host
from polarprior.samplers.contract import SamplerOptions
from polarprior.sweeps.modes import Modes, ModesOptions, found_modes
from polarprior.sweeps.samples import Samples, draw_samples
from polarprior.sweeps.scores import Score, scores
from polarprior.sweeps.sweep import Sweep, SweepOptions, swept
from polarprior.sweeps.tuning import Tried, Tuned, TuneOptions, tuned

if TYPE_CHECKING:
    from polarprior.bank.bank import Bank
    from polarprior.generator import Generator, Seeds


@checked(
    generator=GENERATOR,
    bank=BANK.or_none(),
    rho=RHO.or_none(),
    seeds=SEEDS_OF_A_DRAW,
    label=either(LABEL, text("use the number of a class, such as label=0")).or_none(),
    options=instance("polarprior.samplers.contract:SamplerOptions", "use pp.SamplerOptions(...)").or_none(),
    host=HOST,
)
def sample(
    generator: Generator,
    bank: Bank | None,
    rho: float | None,
    seeds: Seeds,
    *,
    label: int | str | None = None,
    options: SamplerOptions | None = None,
    host: Host | None = None,
) -> Samples:
    """Draw what stock seeds become under a polarity prior, with all that `polarprior sample` writes.

    Args:
        generator: the model.
        bank: spectra of its latents; None for a sampler that needs none.
        rho: the polarity; None for the model's own prior.
        seeds: stock seeds.
        label: a class, by number or name, or ``all`` of them in turn; None where there are none.
        options: how latents are drawn: sampler, k, support, hold, force, joint; its label and draws are filled in.
        host: the plugins to ask; the installed ones where None.

    Returns:
        Samples: ``.latents``, ``.became``, ``.diagnostics``, ``.save(folder)``, and ``.to_dict()``, what
        ``samples.json`` holds.

    Raises:
        UsageError: an argument out of range.
        BankError: the bank doesn't fit the generator or its settings.
        PolarPriorError: rho is outside the bank's limits.
    """
    return draw_samples(host or default_host(), generator, bank, rho, seeds, label, options or SamplerOptions())


@checked(
    generator=GENERATOR,
    bank=BANK,
    options=instance("polarprior.sweeps.sweep:SweepOptions", "use pp.SweepOptions(...)").or_none(),
    host=HOST,
)
def sweep(
    generator: Generator, bank: Bank, options: SweepOptions | None = None, *, host: Host | None = None
) -> Sweep:
    """Draw the same seeds at several polarities, and measure each, as `polarprior sweep` does.

    Args:
        generator: the model.
        bank: spectra of its latents.
        options: which polarities and seeds, how latents are drawn, and what they are compared with.
        host: the plugins to ask; the installed ones where None.

    Returns:
        Sweep: ``.rows``, ``.picture()``, and ``.to_dict()``, what ``sweep.json`` holds.

    Raises:
        UsageError: an argument out of range.
        BankError: the bank doesn't fit the generator or its settings.
        PolarPriorError: a rho is outside the bank's limits.
    """
    return swept(host or default_host(), generator, bank, options or SweepOptions())


@checked(
    generator=GENERATOR,
    bank=BANK,
    options=instance("polarprior.sweeps.tuning:TuneOptions", "use pp.TuneOptions(...)"),
    tried=function("a Tried"),
    host=HOST,
)
def tune(
    generator: Generator,
    bank: Bank,
    options: TuneOptions,
    *,
    tried: Callable[[Tried], None] = lambda _: None,
    host: Host | None = None,
) -> Tuned:
    """Search the rho that minimises a metric, or reaches a precision or recall, within the limits of the bank.

    Args:
        generator: the model.
        bank: spectra of its latents.
        options: what is looked for, and how draws are compared.
        tried: told of each rho that was tried.
        host: the plugins to ask; the installed ones where None.

    Returns:
        Tuned: ``.rho``, ``.told_apart``, ``.chosen``, ``.plain``.

    Raises:
        UsageError: an argument out of range.
        PolarPriorError: no rho inside the limits reaches the target.
    """
    return tuned(host or default_host(), generator, bank, options, tried)


@checked(
    generator=GENERATOR,
    bank=BANK,
    options=instance("polarprior.sweeps.modes:ModesOptions", "use pp.ModesOptions(...)").or_none(),
    host=HOST,
)
def modes(
    generator: Generator, bank: Bank, options: ModesOptions | None = None, *, host: Host | None = None
) -> Modes:
    """Show the latents of lowest log-volume in a bank, or of highest, as `polarprior modes` does.

    Args:
        generator: the model.
        bank: spectra of its latents.
        options: which end, how many, of which class, and what they are compared with.
        host: the plugins to ask; the installed ones where None.

    Returns:
        Modes: ``.groups``, ``.picture()``, and ``.to_dict()``, what ``modes.json`` holds.

    Raises:
        UsageError: an argument out of range.
    """
    return found_modes(host or default_host(), generator, bank, options or ModesOptions())


@checked(
    generator=GENERATOR,
    seeds=SEEDS_OF_A_DRAW,
    label=LABEL.or_none(),
    bank=BANK.or_none(),
    k=K.or_none(),
    space=SPACE,
    host=HOST,
)
def score(
    generator: Generator,
    seeds: Seeds,
    *,
    label: int | None = None,
    bank: Bank | None = None,
    k: int | None = None,
    space: str = "pixel",
    host: Host | None = None,
) -> list[Score]:
    """Take the log-volumes of stock seeds, and say where they lie among the prior's.

    Args:
        generator: the model.
        seeds: stock seeds.
        label: the class, where the model has classes.
        bank: spectra of its latents; it says where volume is measured, and its rows are not solved again.
        k: singular values; all of the bank's, or without one 30, as far as the model has them.
        space: where volume is measured, without a bank.
        host: the plugins to ask; the installed ones where None.

    Raises:
        UsageError: an argument out of range.
    """
    jacobian_of = (host or default_host()).jacobian_fn
    return list(scores(generator, as_seeds(seeds).tolist(), label, bank, k, space, jacobian_of=jacobian_of))
