"""Polarity priors for pretrained generators: all that users import.

The names below are loaded when they are first used, so that ``import polarprior`` does not import torch. What the
authors of plugins need besides is in `polarprior.plugin`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarprior.version import __version__ as __version__

if TYPE_CHECKING:
    from polarprior.api.banks import build_bank as build_bank
    from polarprior.api.banks import calibrate as calibrate
    from polarprior.api.banks import find_banks as find_banks
    from polarprior.api.banks import push_bank as push_bank
    from polarprior.api.banks import verify as verify
    from polarprior.api.draws import directions as directions
    from polarprior.api.draws import log_volume as log_volume
    from polarprior.api.draws import measure as measure
    from polarprior.api.draws import modes as modes
    from polarprior.api.draws import pick as pick
    from polarprior.api.draws import sample as sample
    from polarprior.api.draws import score as score
    from polarprior.api.draws import sweep as sweep
    from polarprior.api.draws import tune as tune
    from polarprior.api.models import feature_map as feature_map
    from polarprior.api.models import jacobian_fn as jacobian_fn
    from polarprior.api.models import latent_sampler as latent_sampler
    from polarprior.api.models import load as load
    from polarprior.bank.bank import Bank as Bank
    from polarprior.bank.from_hub import SharedBank as SharedBank
    from polarprior.bank.info import BankInfo as BankInfo
    from polarprior.bank.verify import Verification as Verification
    from polarprior.errors import BankError as BankError
    from polarprior.errors import PluginError as PluginError
    from polarprior.errors import PolarPriorError as PolarPriorError
    from polarprior.errors import RunsCodeWarning as RunsCodeWarning
    from polarprior.errors import UsageError as UsageError
    from polarprior.generator import Generator as Generator
    from polarprior.generator import LatentPrior as LatentPrior
    from polarprior.generator import Latents as Latents
    from polarprior.hookspecs import hookimpl as hookimpl
    from polarprior.hookspecs import hookspec as hookspec
    from polarprior.host import Host as Host
    from polarprior.images.reference import open_reference as open_reference
    from polarprior.jacobian.feature_map import FeatureMap as FeatureMap
    from polarprior.jacobian.linear_map import LinearMap as LinearMap
    from polarprior.jacobian.of_generator import JacobianFn as JacobianFn
    from polarprior.law.diagnostics import Diagnostics as Diagnostics
    from polarprior.law.diagnostics import Spending as Spending
    from polarprior.law.limits import Limits as Limits
    from polarprior.samplers.contract import LatentSampler as LatentSampler
    from polarprior.samplers.contract import SamplerOptions as SamplerOptions
    from polarprior.settings import Settings as Settings
    from polarprior.stock_repo import StockRepo as StockRepo
    from polarprior.sweeps.comparing import Comparison as Comparison
    from polarprior.sweeps.directions import Directions as Directions
    from polarprior.sweeps.directions import DirectionsOptions as DirectionsOptions
    from polarprior.sweeps.modes import Modes as Modes
    from polarprior.sweeps.modes import ModesOptions as ModesOptions
    from polarprior.sweeps.picks import Pick as Pick
    from polarprior.sweeps.picks import PickOptions as PickOptions
    from polarprior.sweeps.samples import Samples as Samples
    from polarprior.sweeps.scores import Score as Score
    from polarprior.sweeps.sweep import Sweep as Sweep
    from polarprior.sweeps.sweep import SweepOptions as SweepOptions
    from polarprior.sweeps.tuning import Tuned as Tuned
    from polarprior.sweeps.tuning import TuneOptions as TuneOptions
    from polarprior.volume.calibration import Calibration as Calibration
    from polarprior.volume.estimators import top_singular_values as top_singular_values
    from polarprior.volume.spectrum import TopSingularValues as TopSingularValues
    from polarprior.wrapping import wrap as wrap
else:
    from polarprior.lazy import lazily

    __getattr__, __dir__, __all__ = lazily(__name__)
