"""What a polarity does: draws, sweeps, searches, modes and scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from polarprior.arguments import (
    BANK,
    GENERATOR,
    HOST,
    LABEL,
    RHO,
    SEEDS_OF_A_DRAW,
    SPACE,
    Domain,
    K,
    check_names,
    checked,
    either,
    function,
    instance,
    several,
    text,
)
from polarprior.bank.bank import Bank
from polarprior.generator import as_seeds
from polarprior.host import Host, default_host
from polarprior.samplers.contract import OF_THE_LAW, SAMPLERS, SamplerOptions
from polarprior.strength import check_strength
from polarprior.sweeps.comparing import Comparison
from polarprior.sweeps.directions import Directions, DirectionsOptions, found_directions
from polarprior.sweeps.model_metrics import Figures, measured_model
from polarprior.sweeps.modes import Modes, ModesOptions, found_modes
from polarprior.sweeps.picks import Pick, PickOptions, picked
from polarprior.sweeps.samples import Samples, draw_samples
from polarprior.sweeps.scores import RANKS, Score, scores, volumes_of
from polarprior.sweeps.sweep import Sweep, SweepOptions, swept
from polarprior.sweeps.tuning import Tried, Tuned, TuneOptions, tuned

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from typing_extensions import Unpack

    from polarprior.generator import Generator, Labels, Latents, Seeds
    from polarprior.samplers.contract import LawKeywords
    from polarprior.sweeps.directions import DirectionsKeywords
    from polarprior.sweeps.picks import PickKeywords

RANK = Domain(" or ".join(RANKS), lambda value: isinstance(value, str) and value in RANKS, "use {name}=local-rank")


@checked(
    generator=GENERATOR,
    bank=BANK.or_none(),
    rho=RHO.or_none(),
    seeds=SEEDS_OF_A_DRAW,
    label=either(LABEL, text("use the number of a class, such as label=0")).or_none(),
    options=instance("polarprior.samplers.contract:SamplerOptions", "use pp.SamplerOptions(...)").or_none(),
    host=HOST,
    **{name: SamplerOptions.DOMAINS[name] for name in OF_THE_LAW},
)
def sample(
    generator: Generator,
    bank: Bank | None = None,
    rho: float | None = None,
    seeds: Seeds = range(16),
    *,
    label: int | str | None = None,
    options: SamplerOptions | None = None,
    host: Host | None = None,
    **law: Unpack[LawKeywords],
) -> Samples:
    """Draw what stock seeds become under a polarity prior, with all that `polarprior sample` writes.

    Args:
        generator: the model.
        bank: spectra of its latents; where None the one that the model's plugin brings, if it brings one.
        rho: the polarity; None, without a tilt, for the model's own prior.
        seeds: stock seeds.
        label: a class, by number or name, or ``all`` of them in turn; None where there are none.
        options: how latents are drawn; its label and draws are filled in.
        host: the plugins to ask; the installed ones where None.
        law: fields of `SamplerOptions` by name: tilt, which takes the place of rho and is as strong in any model,
            sampler, k, support, hold, force, joint.

    Returns:
        Samples: ``.images``, ``.latents``, ``.became``, ``.diagnostics``, ``.save(folder)``, and ``.to_dict()``, what
        ``samples.json`` holds.

    Raises:
        UsageError: an argument out of range.
        BankError: the bank doesn't fit the generator or its settings.
        PolarPriorError: rho is outside the bank's limits.
    """
    check_names(law, ["bank", "rho", "seeds", "label", "options", "host", *OF_THE_LAW])
    options = replace(options or SamplerOptions(), **law)
    check_strength(rho, options.tilt)
    drawn = rho is not None or options.tilt is not None
    if drawn and bank is None and options.sampler in SAMPLERS and generator.default_bank is not None:
        bank = Bank.open(generator.default_bank)
    return draw_samples(host or default_host(), generator, bank, rho, seeds, label, options)


@checked(
    generator=GENERATOR,
    bank=BANK,
    options=instance("polarprior.sweeps.sweep:SweepOptions", "use pp.SweepOptions(...)").or_none(),
    told=function("a Sweep"),
    host=HOST,
)
def sweep(
    generator: Generator,
    bank: Bank,
    options: SweepOptions | None = None,
    *,
    told: Callable[[Sweep], None] = lambda _: None,
    host: Host | None = None,
) -> Sweep:
    """Draw the same seeds at several polarities, and measure each, as `polarprior sweep` does.

    Args:
        generator: the model.
        bank: spectra of its latents.
        options: which polarities and seeds, how latents are drawn, and what they are compared with.
        told: told of what there is after each row.
        host: the plugins to ask; the installed ones where None.

    Returns:
        Sweep: ``.rows``, ``.picture()``, and ``.to_dict()``, what ``sweep.json`` holds.

    Raises:
        UsageError: an argument out of range.
        BankError: the bank doesn't fit the generator or its settings.
        PolarPriorError: a rho is outside the bank's limits.
    """
    return swept(host or default_host(), generator, bank, options or SweepOptions(), told)


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
    comparison=instance("polarprior.sweeps.comparing:Comparison", "use pp.Comparison('images')"),
    label=LABEL.or_none(),
    host=HOST,
)
def measure(
    generator: Generator, comparison: Comparison, *, label: int | None = None, host: Host | None = None
) -> Figures:
    """Compare a model as it is with real images, without a bank, as `polarprior measure` does.

    Args:
        generator: the model; of one with an encoder the reconstructions of the images are measured too.
        comparison: real images, metrics, spaces, and how many draws.
        label: the class of the draws, of a class-conditional model.
        host: the plugins to ask; the installed ones where None.

    Returns:
        By space and metric a figure: ``.value`` and ``.deviation``.

    Raises:
        UsageError: an argument out of range, no such metric or space, too few images.
    """
    return measured_model(host or default_host(), generator, comparison, label)


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
    options=instance("polarprior.sweeps.picks:PickOptions", "use pp.PickOptions(...)").or_none(),
    host=HOST,
)
def pick(
    generator: Generator,
    options: PickOptions | None = None,
    *,
    host: Host | None = None,
    **fields: Unpack[PickKeywords],
) -> Pick:
    """Pick some of a handful of stock seeds by their log-volume, as `polarprior pick` does: without a bank.

    They are drawn without replacement, one after another, each of those left with a probability that is as
    exp(rho · score) (Plackett-Luce). That is not the polarity prior: at ``keep`` = M it is the model's own.

    Args:
        generator: the model.
        options: the candidates, how many are kept, and how.
        host: the plugins to ask; the installed ones where None.
        fields: fields of `PickOptions` by name, in place of those in `options`.

    Returns:
        Pick: ``.seeds``, ``.latents``, ``.images``, ``.save(folder)``, and ``.to_dict()``, what ``pick.json`` holds.

    Raises:
        UsageError: an argument out of range.
        PolarPriorError: the candidates are too few for that rho and that many kept.

    >>> import torch, polarprior as pp
    >>> generator = pp.wrap(torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh()), latent_dim=4)
    >>> len(pp.pick(generator, seeds=range(32), keep=4, tilt=-0.5, k=2).seeds)
    4
    """
    check_names(fields, ["host", *PickOptions.DOMAINS])
    given = {} if options is None else {name: getattr(options, name) for name in PickOptions.DOMAINS}
    return picked(host or default_host(), generator, PickOptions(**{**given, **fields}))


@checked(
    generator=GENERATOR,
    options=instance("polarprior.sweeps.directions:DirectionsOptions", "use pp.DirectionsOptions(...)").or_none(),
    host=HOST,
)
def directions(
    generator: Generator,
    options: DirectionsOptions | None = None,
    *,
    host: Host | None = None,
    **fields: Unpack[DirectionsKeywords],
) -> Directions:
    """Find the directions in which the pictures of stock seeds change most, as `polarprior directions` does.

    They are the top right singular vectors of the Jacobian: exact where the latent has at most 256 numbers, on a
    Krylov space otherwise. The entry of a vector that is largest in size is above 0.

    Args:
        generator: the model.
        options: the seeds, how many directions, where change is measured, and how far the strips go.
        host: the plugins to ask; the installed ones where None.
        fields: fields of `DirectionsOptions` by name, in place of those in `options`.

    Returns:
        Directions: ``.vectors``, ``.log_sigma``, ``.walk(row, direction, at)``, ``.images(row, points)`` and
        ``.save(folder)``.

    Raises:
        UsageError: an argument out of range, or a domain that the model doesn't have.

    >>> import torch, polarprior as pp
    >>> generator = pp.wrap(torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh()), latent_dim=4)
    >>> pp.directions(generator, seeds=[3, 5], k=2).vectors.shape
    torch.Size([2, 2, 4])
    """
    check_names(fields, ["host", *DirectionsOptions.DOMAINS])
    return found_directions(host or default_host(), generator, replace(options or DirectionsOptions(), **fields))


@checked(
    generator=GENERATOR,
    bank=BANK.or_none(),
    k=K.or_none(),
    space=SPACE,
    host=HOST,
)
def log_volume(
    generator: Generator,
    latents: Latents | Tensor,
    *,
    label: Labels = None,
    bank: Bank | None = None,
    k: int | None = None,
    space: str = "pixel",
    host: Host | None = None,
) -> np.ndarray:
    """Take the log-volumes of given latents: l_k = log of the product of the top k singular values of the Jacobian.

    Args:
        generator: the model.
        latents: Latents, or their bare z ``[n, *shape]``.
        label: of a bare z: its classes, [n] or a single one, where the model has classes.
        bank: spectra of its latents; it says where volume is measured, and its rows are not solved again.
        k: singular values; all of the bank's, or without one 30, as far as the model has them.
        space: where volume is measured, without a bank.
        host: the plugins to ask; the installed ones where None.

    Returns:
        float64 [n], nats; -inf where the Jacobian has less than k singular values above 0.

    Raises:
        UsageError: an argument out of range.
        BankError: the bank doesn't fit the generator or its settings.

    >>> import torch, polarprior as pp
    >>> generator = pp.wrap(torch.nn.Linear(4, 6), latent_dim=4)
    >>> pp.log_volume(generator, torch.randn(3, 4), k=2).shape
    (3,)
    """
    given = generator.latents(latents, label)
    if bank is not None:
        bank.check_fits(generator)
    return volumes_of(generator, given, bank, k, space, jacobian_of=(host or default_host()).jacobian_fn)


@checked(
    generator=GENERATOR,
    seeds=SEEDS_OF_A_DRAW,
    label=LABEL.or_none(),
    bank=BANK.or_none(),
    k=K.or_none(),
    space=SPACE,
    ranks=several(RANK, 0, "use such as ranks=['local-rank']"),
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
    ranks: Sequence[str] = (),
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
        ranks: other numbers of a latent's spectrum, ``local-rank`` (singular values of at least a tenth of the
            largest) and ``effective-rank`` (the exponential of their entropy).
        host: the plugins to ask; the installed ones where None.

    Raises:
        UsageError: an argument out of range.
    """
    jacobian_of = (host or default_host()).jacobian_fn
    return list(scores(generator, as_seeds(seeds).tolist(), label, bank, k, space, ranks, jacobian_of=jacobian_of))
