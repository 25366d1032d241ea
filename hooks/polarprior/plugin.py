"""All that a plugin, a patch or a stock seam imports: the promise that versions keep.

A name that is here stays, with its meaning, through all versions of one leading number; whatever else the host is
made of may move at any time. Names are loaded when they are first used: importing this module does not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polarprior.arguments import Domain as Domain
    from polarprior.arguments import flag as flag
    from polarprior.arguments import number as number
    from polarprior.arguments import text as text
    from polarprior.arguments import whole as whole
    from polarprior.bank.bank import Bank as Bank
    from polarprior.building.journal import Journal as Journal
    from polarprior.cli.opening import open_model_and_bank as open_model_and_bank
    from polarprior.cli.options import bank_option as bank_option
    from polarprior.cli.options import k_option as k_option
    from polarprior.cli.options import loading_options as loading_options
    from polarprior.cli.options import recipe_options as recipe_options
    from polarprior.devices import torch_device as torch_device
    from polarprior.errors import BankError as BankError
    from polarprior.errors import PluginError as PluginError
    from polarprior.errors import PolarPriorError as PolarPriorError
    from polarprior.errors import RunsCodeWarning as RunsCodeWarning
    from polarprior.errors import UsageError as UsageError
    from polarprior.errors import ending_the_script as ending_the_script
    from polarprior.errors import nearest as nearest
    from polarprior.errors import warn as warn
    from polarprior.files import check_writable as check_writable
    from polarprior.files import sha256_of as sha256_of
    from polarprior.files import user_cache as user_cache
    from polarprior.files import write_atomically as write_atomically
    from polarprior.files import writing_atomically as writing_atomically
    from polarprior.foreign import Foreign as Foreign
    from polarprior.foreign import foreign_json as foreign_json
    from polarprior.foreign_arrays import npz_array as npz_array
    from polarprior.foreign_arrays import npz_header as npz_header
    from polarprior.foreign_files import checkpoint_file as checkpoint_file
    from polarprior.foreign_files import filled_network as filled_network
    from polarprior.foreign_files import read_checkpoint as read_checkpoint
    from polarprior.foreign_files import refusing as refusing
    from polarprior.foreign_files import warn_of_pickle as warn_of_pickle
    from polarprior.generator import Generator as Generator
    from polarprior.generator import LatentPrior as LatentPrior
    from polarprior.generator import Latents as Latents
    from polarprior.generator import Styles as Styles
    from polarprior.generator import weights_fingerprint as weights_fingerprint
    from polarprior.hashing import latent_hash as latent_hash
    from polarprior.hookspecs import AskingHost as AskingHost
    from polarprior.hookspecs import hookimpl as hookimpl
    from polarprior.host import Host as Host
    from polarprior.host import default_host as default_host
    from polarprior.images.pictures import captioned_grid as captioned_grid
    from polarprior.images.pictures import from_uint8 as from_uint8
    from polarprior.images.pictures import png_bytes as png_bytes
    from polarprior.images.pictures import to_uint8 as to_uint8
    from polarprior.images.reference import Reference as Reference
    from polarprior.images.reference import open_reference as open_reference
    from polarprior.jacobian.discriminator import DISCRIMINATOR as DISCRIMINATOR
    from polarprior.jacobian.discriminator import LOGISTIC as LOGISTIC
    from polarprior.jacobian.discriminator import Discriminator as Discriminator
    from polarprior.jacobian.discriminator import discriminator_map as discriminator_map
    from polarprior.jacobian.feature_map import FeatureMap as FeatureMap
    from polarprior.jacobian.feature_map import one_at_a_time as one_at_a_time
    from polarprior.jacobian.linear_map import LinearMap as LinearMap
    from polarprior.jacobian.of_generator import JacobianFn as JacobianFn
    from polarprior.jacobian.of_generator import on_sphere as on_sphere
    from polarprior.jacobian.of_generator import prepare as prepare
    from polarprior.jacobian.of_generator import traced_jacobian_fn as traced_jacobian_fn
    from polarprior.jacobian.of_styles import style_jacobian_fn as style_jacobian_fn
    from polarprior.jacobian.step_chain import Evaluation as Evaluation
    from polarprior.jacobian.step_chain import StepChain as StepChain
    from polarprior.jacobian.step_chain import euler as euler
    from polarprior.jacobian.step_chain import heun as heun
    from polarprior.jacobian.traced import TracedJacobian as TracedJacobian
    from polarprior.law.diagnostics import DEFICIENT_SHARE as DEFICIENT_SHARE
    from polarprior.law.diagnostics import Diagnostics as Diagnostics
    from polarprior.law.diagnostics import Spending as Spending
    from polarprior.law.diagnostics import diagnose as diagnose
    from polarprior.law.geometry import SPHERE as SPHERE
    from polarprior.law.geometry import Geometry as Geometry
    from polarprior.law.geometry import length as length
    from polarprior.law.limits import SAME_VOLUME as SAME_VOLUME
    from polarprior.law.limits import Limits as Limits
    from polarprior.law.psis import TRUSTED_K_HAT as TRUSTED_K_HAT
    from polarprior.law.psis import pareto_k_hat as pareto_k_hat
    from polarprior.law.weights import Weights as Weights
    from polarprior.law.weights import effective_sample_size as effective_sample_size
    from polarprior.metrics.frechet import Moments as Moments
    from polarprior.metrics.frechet import frechet_distance as frechet_distance
    from polarprior.metrics.inception_score import inception_score as inception_score
    from polarprior.metrics.path_length import path_lengths as path_lengths
    from polarprior.metrics.reconstruction import PARTS as PARTS
    from polarprior.metrics.reconstruction import reconstruction_dissimilarity as reconstruction_dissimilarity
    from polarprior.metrics.transport import Transport as Transport
    from polarprior.metrics.transport import entropic_transport as entropic_transport
    from polarprior.metrics.transport import transport_distance as transport_distance
    from polarprior.pinned import private_copy as private_copy
    from polarprior.samplers.bank_sampler import WeightedBank as WeightedBank
    from polarprior.samplers.contract import Explained as Explained
    from polarprior.samplers.contract import LatentSampler as LatentSampler
    from polarprior.samplers.contract import Redrawing as Redrawing
    from polarprior.samplers.contract import SamplerOptions as SamplerOptions
    from polarprior.samplers.contract import Weighted as Weighted
    from polarprior.samplers.reweighting import reweighting_sampler as reweighting_sampler
    from polarprior.samplers.streams import STREAM_KEY as STREAM_KEY
    from polarprior.samplers.streams import stream_numbers as stream_numbers
    from polarprior.samplers.true_volumes import LogVolumes as LogVolumes
    from polarprior.samplers.true_volumes import VolumeSolver as VolumeSolver
    from polarprior.saying import say as say
    from polarprior.settings import OwnSetting as OwnSetting
    from polarprior.settings import Settings as Settings
    from polarprior.stock.checkout import use_checkout as use_checkout
    from polarprior.stock.known import flag_verdict as flag_verdict
    from polarprior.stock.run import StockRun as StockRun
    from polarprior.stock.sampler import StockSampler as StockSampler
    from polarprior.stock.shims.device import move_cuda_to as move_cuda_to
    from polarprior.stock.shims.vision import (
        import_torchvision_without_operators as import_torchvision_without_operators,
    )
    from polarprior.stock_repo import StockRepo as StockRepo
    from polarprior.stock_repo import repo_of as repo_of
    from polarprior.surrogate.features import FeaturesOf as FeaturesOf
    from polarprior.surrogate.surrogate import FEWEST_ROWS as FEWEST_ROWS
    from polarprior.surrogate.surrogate import Surrogate as Surrogate
    from polarprior.surrogate.surrogate import surrogate_of as surrogate_of
    from polarprior.sweeps.comparing import shape_of as shape_of
    from polarprior.user_functions import made_by_the_user as made_by_the_user
    from polarprior.user_functions import named_by_the_user as named_by_the_user
    from polarprior.volume.estimators import top_singular_values as top_singular_values
    from polarprior.wrapping import latent_prior as latent_prior
    from polarprior.wrapping import wrap as wrap
else:
    from polarprior.lazy import lazily

    __getattr__, __dir__, __all__ = lazily(__name__)
