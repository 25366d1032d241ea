"""Models, spaces, Jacobians and samplers: what plugins are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarprior.arguments import BANK, GENERATOR, HOST, RHO, SPACE, checked, text
from polarprior.host import Host, default_host
from polarprior.samplers.contract import SamplerOptions
from polarprior.settings import Settings

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from polarprior.bank.bank import Bank
    from polarprior.generator import Generator
    from polarprior.jacobian.feature_map import FeatureMap
    from polarprior.jacobian.of_generator import JacobianFn
    from polarprior.samplers.contract import LatentSampler, SamplerKeywords


@checked(
    model=text("name one: polarprior plugins lists them"),
    device=text("use device='cpu'").or_none(),
    sha256=text("see: sha256sum FILE").or_none(),
    host=HOST,
    **Settings.DOMAINS,
)
def load(
    model: str,
    device: str | None = None,
    *,
    sha256: str | None = None,
    host: Host | None = None,
    **settings: float | str | None,
) -> Generator:
    """Load a generator.

    Args:
        model: ``PLUGIN`` or ``PLUGIN:SOURCE``, such as ``dcgan-faces`` or ``torch:my_module:make``.
        device: a torch device; CUDA where there is one, else the CPU, where None.
        sha256: digest of the file ``SOURCE``, as hex: another file is not opened, and this one, from a private copy,
            without a warning that it runs code.
        host: the plugins to ask; the installed ones where None.
        settings: trunc, temperature, noise_mode, and those of the plugin's own, such as the steps of a sampler.

    Raises:
        UsageError: no such plugin, device or setting.
        PolarPriorError: the plugin can't load it, or the file has another digest.
        PluginError: the plugin failed, or what it returned breaks its contract.
    """
    return (host or default_host()).load(model, device, sha256=sha256, **settings)


@checked(generator=GENERATOR, space=SPACE, host=HOST)
def feature_map(generator: Generator, space: str, *, host: Host | None = None) -> FeatureMap:
    """Give the map from images to a space in which volume is measured.

    Args:
        generator: whose images are mapped.
        space: ``SPACE``, one of the generator's own or the host's, or ``PLUGIN:SPACE``, such as
            ``perceptual:inception`` or ``torch:my_module:make_features``.
        host: the plugins to ask; the installed ones where None.

    Raises:
        UsageError: nobody knows that space.
    """
    return (host or default_host()).feature_map(generator, space)


@checked(generator=GENERATOR, space=SPACE, domain=text("use domain='z'"), host=HOST)
def jacobian_fn(
    generator: Generator, space: str = "pixel", domain: str = "z", *, host: Host | None = None
) -> JacobianFn:
    """Give the Jacobian of the map from a domain to a space: the plugin's own, or its images' composed with a feature
    map.

    Args:
        generator: the model.
        space: where volume is measured, as `feature_map` takes it.
        domain: where latents live, one of ``generator.domains``.
        host: the plugins to ask; the installed ones where None.

    Returns:
        A function of Latents, or of a bare Tensor z ``[n, *shape]`` where there are no classes, to a LinearMap.

    Raises:
        UsageError: the model doesn't have that domain, or nobody knows that space.
    """
    return (host or default_host()).jacobian_fn(generator, space, domain)


@checked(generator=GENERATOR, bank=BANK.or_none(), rho=RHO, host=HOST, **SamplerOptions.DOMAINS)
def latent_sampler(
    generator: Generator,
    bank: Bank | None = None,
    rho: float = 0.0,
    *,
    host: Host | None = None,
    **options: Unpack[SamplerKeywords],
) -> LatentSampler:
    """Make a sampler of the polarity prior p(z) exp(rho · l(z)).

    Args:
        generator: whose prior is reweighted.
        bank: spectra of its latents.
        rho: the polarity; negative towards modes, positive towards anti-modes.
        host: the plugins to ask; the installed ones where None.
        options: fields of `SamplerOptions`: tilt, in place of rho; sampler, which is ``bank``, ``online``,
            ``paper-online``, or ``PLUGIN`` or ``PLUGIN:NAME`` of one that gives some; k, draws, label, support, hold,
            force, joint.

    Raises:
        UsageError: no such sampler, or an argument out of range.
        BankError: the bank doesn't fit the generator or its settings.
        PolarPriorError: rho is outside the bank's limits.
    """
    return (host or default_host()).latent_sampler(generator, bank, rho, **options)
