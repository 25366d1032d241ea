"""What a user writes, with every public function: a type checker in strict mode must know the type of each."""

from __future__ import annotations

import polarprior as pp
import torch
from typing_extensions import reveal_type

generator = pp.wrap(torch.nn.Linear(4, 12), latent_dim=4)
loaded = pp.load("torch:my_module:make", device="cpu", sha256=None, trunc=0.7)
latents = generator.prior.draw(range(8))
images = generator(latents.z)
jacobian_fn = pp.jacobian_fn(generator, space="pixel")
feature_map = pp.feature_map(generator, "pixel")
calibration = pp.calibrate(generator, k=2, n=4)
spectrum = pp.top_singular_values(jacobian_fn(latents), k=2, calibration=calibration)
bank = pp.build_bank(generator, n=200, k=2, seeds_from=5)
checked, shared = pp.verify(bank, generator), [pp.push_bank(bank, "me/bank"), *pp.find_banks(generator)]
sampler = pp.latent_sampler(generator, bank, rho=-0.1, support="prior", hold=("contrast",), force=True)
drawn = sampler.sample(seeds=[1, 2, 3])
samples = pp.sample(generator, bank, seeds=range(16), tilt=-0.1, hold="contrast", force=True)
scores, volumes = pp.score(generator, [1, 2, 3], bank=bank), pp.log_volume(generator, drawn, bank=bank)
sweep = pp.sweep(generator, bank, pp.SweepOptions(polarities=[-0.1, 0.0], seeds=[0, 1]))
modes, picked = pp.modes(generator, bank, pp.ModesOptions(n=4)), pp.pick(generator, pp.PickOptions(tilt=-0.5), keep=4)
walks, host = pp.directions(generator, pp.DirectionsOptions(k=2), seeds=[3]), pp.Host()
tuned = pp.tune(generator, bank, pp.TuneOptions(pp.Comparison("real"), minimise="fid"), tried=print)
measured, real = pp.measure(generator, pp.Comparison("real", metrics=("fid",))), pp.open_reference("real")
for function in (pp.load, pp.wrap, pp.jacobian_fn, pp.feature_map, pp.calibrate, pp.top_singular_values):
    print(function.__name__)

reveal_type(pp.load)
reveal_type(pp.latent_sampler)
reveal_type(pp.jacobian_fn)
reveal_type(pp.feature_map)
reveal_type((pp.verify, pp.push_bank, pp.find_banks, pp.wrap, pp.calibrate, pp.top_singular_values, pp.build_bank))
reveal_type((pp.sample, pp.pick, pp.score, pp.log_volume, pp.sweep, pp.modes, pp.tune, pp.measure, pp.open_reference))
reveal_type((generator, loaded, latents, images, jacobian_fn, feature_map, calibration, spectrum, bank, checked))
reveal_type((sampler, drawn, samples, scores, volumes, bank.top(2), sweep, modes, tuned, measured, real, host))
reveal_type((sampler.diagnostics, sampler.diagnostics.limits, samples.became, bank.info, checked.largest_error))
reveal_type((spectrum.log_volume, sweep.rows, sweep.picture(), tuned.rho, tuned.told_apart, picked.seeds, walks))
