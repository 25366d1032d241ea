"""The plugin `diffusers` on small pipelines with the published classes."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polarprior as pp
import pytest
import torch
from polarprior.plugin import BankError, PolarPriorError, UsageError, top_singular_values
from polarprior_diffusers.generator import generator_of
from polarprior_diffusers.importing import import_diffusers
from polarprior_diffusers.small import ASKED, made
from scipy.stats import spearmanr

LONG = pytest.mark.skipif("POLARPRIOR_LONG" not in os.environ, reason="takes minutes: POLARPRIOR_LONG=1 runs it")
QUICK = ("consistency", "classes", "sd")
"""Pipelines whose graphs are traced within seconds."""
BY_LENGTH = [name if name in QUICK else pytest.param(name, marks=LONG) for name in ASKED]


def stock(generator, pipe, seeds, label=None):
    """What a user of diffusers gets, [n, 3, H, W] in [0, 1], a generator a picture."""
    asked = dict(generator.settings.own)
    words = {"steps": "num_inference_steps", "guidance": "guidance_scale"}
    given = {words[name]: asked[name] for name in words if name in asked}
    for name in ("prompt", "negative_prompt"):
        given |= {name: [asked[name]] * len(seeds)} if name in asked else {}
    if "size" in asked:
        given |= dict(zip(("width", "height"), map(int, asked["size"].split("x")), strict=True))
    if "prompt" not in asked:
        given |= {"batch_size": len(seeds)} | ({} if label is None else {"class_labels": label})
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return pipe(**given, generator=generators, output_type="pt").images


@pytest.mark.parametrize("name", ASKED)
def test_pictures_are_the_stock_pipelines_to_the_bit(load, folder_of, name):
    generator = load(name)
    pipe = import_diffusers().DiffusionPipeline.from_pretrained(folder_of(name))
    pipe.set_progress_bar_config(disable=True)
    seeds, label = [3, 0, 2**32 - 1], [2, 0, 1] if name == "classes" else None
    found = generator(generator.prior.draw(seeds, label))
    assert torch.equal((found * 0.5 + 0.5).clamp(0, 1), stock(generator, pipe, seeds, label))


@pytest.mark.parametrize("name", BY_LENGTH)
def test_spectra_are_those_of_the_stock_call_in_float64(load, caplog, name):
    """From a traced graph, each log sigma to 1e-3."""
    generator = load(name)
    latents = generator.prior.draw([0, 7], [2, 1] if name == "classes" else None)
    jacobian = pp.jacobian_fn(generator)(latents)
    found = top_singular_values(jacobian, 30, estimator="exact").log_sigma
    assert jacobian.evaluations == generator.evaluations == {"guided": 6, "flow": 2, "sd3": 2}.get(name, 1)
    assert not any("can't be traced" in line for line in caplog.messages)
    assert (jacobian.value - generator(latents)).abs().max() < 1e-5
    for part in generator.network.values():
        part.double()
    try:
        for row in range(2):
            one = latents[row]
            z = one.z.double()
            dense = torch.autograd.functional.jacobian(lambda z, c=one.label: generator.synthesize(z, c).flatten(), z)
            expected = torch.linalg.svdvals(dense.reshape(-1, z.numel()))[:30].log()
            assert (found[row] - expected).abs().max() < 1e-3
    finally:
        for part in generator.network.values():
            part.float()


SCHEDULERS = {
    "EulerDiscreteScheduler": True,
    "DDIMScheduler": True,
    "DPMSolverMultistepScheduler": True,
    "UniPCMultistepScheduler": True,
    "HeunDiscreteScheduler": True,
    "PNDMScheduler": True,
    "LMSDiscreteScheduler": True,
    "EulerAncestralDiscreteScheduler": False,
    "DDPMScheduler": False,
    "LCMScheduler": False,
    "KDPM2AncestralDiscreteScheduler": False,
}


@pytest.mark.parametrize(("scheduler", "accepted"), SCHEDULERS.items())
def test_schedulers_that_add_noise_are_refused(scheduler, accepted):
    """By looking for noise: their names are nowhere in the plugin."""
    diffusers, pipe = import_diffusers(), made("sd")
    pipe.scheduler = getattr(diffusers, scheduler).from_config(pipe.scheduler.config, skip_prk_steps=True)
    asked = pp.Settings(own={"prompt": "a cat", "steps": 3, "guidance": 2.0})
    if not accepted:
        with pytest.raises(UsageError, match=f"steps: {scheduler} adds noise on the way"):
            generator_of(pipe, asked)
        return
    generator = generator_of(pipe, asked)
    latents = generator.prior.draw([1])
    jacobian = pp.jacobian_fn(generator)(latents)
    assert (jacobian.value - generator(latents)).norm() < 1e-4 * jacobian.value.norm()


def test_one_step_of_a_scheduler_that_adds_noise_later_is_taken():
    diffusers, pipe = import_diffusers(), made("sd")
    pipe.scheduler = diffusers.LCMScheduler.from_config(pipe.scheduler.config)
    assert generator_of(pipe, pp.Settings(own={"prompt": "a cat", "steps": 1, "guidance": 0.0})).evaluations == 1


def test_a_scheduler_that_fails_is_said_to():
    diffusers, pipe = import_diffusers(), made("sd")
    pipe.scheduler = diffusers.PNDMScheduler.from_config(pipe.scheduler.config, skip_prk_steps=False)
    with pytest.raises(PolarPriorError, match="StableDiffusionPipeline can't be run as it is asked for: ValueError"):
        generator_of(pipe, pp.Settings(own={"prompt": "a cat", "steps": 3}))


def test_a_bank_is_for_one_prompt_and_one_number_of_steps(load, tmp_path):
    generator = load("consistency")
    bank = pp.build_bank(generator, 8, k=4)
    assert dict(bank.info.settings.own) == {"steps": 1}
    sd = load("sd")
    asked = {"guidance": 0.0, "prompt": "a cat", "steps": 1}
    assert dict(sd.settings.own) == asked
    bank = replace(bank.info, **{name: getattr(sd, name) for name in ("fingerprint", "settings")})
    for given, said in [
        ({"prompt": "a dog"}, "prompt a cat"),
        ({"steps": 2}, "steps 1"),
        ({"guidance": 2}, "guidance 0"),
    ]:
        assert sd.settings.differences(load("sd", **given).settings) == [said.split()[0]]
    assert bank.settings == sd.settings


def test_pipelines_of_other_classes_or_schedulers_are_other_models():
    diffusers = import_diffusers()
    asked, pipe = pp.Settings(own={"prompt": "a cat", "steps": 2}), made("sd")
    one = generator_of(pipe, asked).fingerprint
    assert one == generator_of(made("sd"), asked).fingerprint
    pipe.scheduler = diffusers.DDIMScheduler.from_config(pipe.scheduler.config)
    assert one != generator_of(pipe, asked).fingerprint
    assert one != generator_of(made("sd", seed=1), asked).fingerprint


def test_seeds_of_comfyui(load):
    """torch.manual_seed(seed), then torch.randn of a batch of one in float32 on the CPU."""
    for name in ("sd", "flow"):
        generator = load(name, seeds="comfyui")
        with torch.random.fork_rng():
            noise = torch.randn((1, 4, 4, 4), generator=torch.manual_seed(5), device="cpu", dtype=torch.float32)
        drawn = generator.prior.draw([5])
        assert np.allclose(np.sort(drawn.z.flatten()), np.sort(noise.flatten()), atol=0)
        assert name == "flow" or torch.equal(drawn.z, noise)


def test_seeds_of_comfyui_are_those_of_its_own_function(load):
    """``comfy/sample.py: prepare_noise`` of the checkout POLARPRIOR_VENDOR/ComfyUI, a batch of one, to the bit."""
    stock = Path(os.environ.get("POLARPRIOR_VENDOR", "nowhere")) / "ComfyUI/comfy/sample.py"
    if not stock.exists():
        pytest.skip("no checkout of ComfyUI in POLARPRIOR_VENDOR")
    (function,) = [
        node
        for node in ast.parse(stock.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == "prepare_noise"
    ]
    names = {"torch": torch, "np": np}
    exec(compile(ast.Module([function], []), stock, "exec"), names)  # the module itself imports all of ComfyUI
    seeds = [0, 5, 2**32 - 1]
    with torch.random.fork_rng():
        expected = torch.cat([names["prepare_noise"](torch.zeros(1, 4, 4, 4), seed) for seed in seeds])
    assert torch.equal(load("sd", seeds="comfyui").prior.draw(seeds).z, expected)


def test_half_precision_draws_other_latents():
    pipe = made("sd").to(torch.float16)
    generator = generator_of(pipe, pp.Settings(own=ASKED["sd"]))
    own = torch.randn((1, 4, 4, 4), generator=torch.Generator().manual_seed(5), dtype=torch.float16)
    assert torch.equal(generator.prior.draw([5]).z, own.float())
    assert generator.prior.name == "normal drawn in float16"
    comfy = generator_of(pipe, pp.Settings(own=ASKED["sd"] | {"seeds": "comfyui"}))
    assert comfy.prior.name == "normal"
    bank = pp.build_bank(generator_of(made("sd"), pp.Settings(own=ASKED["sd"])), 4, k=2)
    with pytest.raises(BankError):
        bank.check_fits(generator)


def test_settings_that_have_no_place_are_refused(load, folder_of):
    for name, given, said in [
        ("consistency", {"prompt": "a cat"}, "prompt: ConsistencyModelPipeline has no such setting"),
        ("sd", {"prompt": None}, "prompt: StableDiffusionPipeline makes its pictures from one, got none"),
        ("sd", {"size": "16"}, "size: got '16', expected WIDTHxHEIGHT"),
        ("sd", {"steps": 0}, "steps: got 0, expected a whole number from 1"),
        ("sd", {"guidance": -1}, "guidance: got -1"),
        ("sd", {"seeds": "webui"}, "seeds: got 'webui', expected diffusers or comfyui"),
        ("sd", {"trunc": 0.5}, "trunc: StableDiffusionPipeline has no such setting"),
        ("consistency", {"steps": 3}, "steps: CMStochasticIterativeScheduler adds noise on the way"),
    ]:
        with pytest.raises(UsageError, match=said):
            load(name, **given)


def test_pipelines_that_take_no_latents_are_refused():
    diffusers, pipe = import_diffusers(), made("consistency")
    for kind in (diffusers.DDPMPipeline, diffusers.DDIMPipeline):
        other = kind(unet=pipe.unet, scheduler=diffusers.DDIMScheduler())
        with pytest.raises(UsageError, match=f"model: {kind.__name__} makes no pictures of given latents"):
            generator_of(other, pp.Settings())


@pytest.mark.parametrize(
    ("index", "said"),
    [
        (None, "is no pipeline of diffusers: it has no model_index.json"),
        ("[1]", "is no pipeline of diffusers"),
        ('{"_class_name": 3}', "holds code of its own"),
        ('{"_class_name": ["mine", "Pipe"]}', "holds code of its own"),
        ('{"_class_name": "DDPMScheduler"}', "diffusers .* has no pipeline for"),
        ('{"_class_name": "__doc__"}', "diffusers .* has no pipeline for"),
        ('{"_class_name": "StableDiffusionPipeline", "unet": ["mine", "Net"]}', r"holds code of its own \(unet\)"),
        ('{"_class_name": "StableDiffusionPipeline", "unet": ["diffusers"]}', "is no pipeline of diffusers"),
    ],
)
def test_folders_that_are_no_pipelines_are_refused(tmp_path, index, said):
    (tmp_path / "mine.py").write_text("raise SystemExit('it ran')")
    if index is not None:
        (tmp_path / "model_index.json").write_text(index)
    with pytest.raises(PolarPriorError, match=said):
        pp.load(f"diffusers:{tmp_path}", "cpu")


def test_pickles_are_not_opened(folder_of, tmp_path):
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(folder_of("consistency"), folder)
    weights = folder / "unet/diffusion_pytorch_model.safetensors"
    torch.save({}, weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(PolarPriorError, match=r"holds no ConsistencyModelPipeline that can be opened: .*safetensors"):
        pp.load(f"diffusers:{folder}", "cpu")


@pytest.mark.parametrize("source", ["", ":nowhere", ":/no/where/at/all", ":a/b/c"])
def test_no_pipeline(source):
    with pytest.raises(PolarPriorError, match="model: ") as raised:
        pp.load(f"diffusers{source}", "cpu")
    assert "pipe.save_pretrained" in raised.value.hint


def test_a_model_of_the_hub_is_pinned_to_its_commit(folder_of, tmp_path, monkeypatch):
    """From the cache as the Hub's client lays it out; a name that has moved is another model."""
    import huggingface_hub.constants as hub

    cache, commits = tmp_path / "hub", ("a" * 40, "b" * 40)
    model = cache / "models--somebody--tiny"
    for commit in commits:
        (model / "snapshots").mkdir(parents=True, exist_ok=True)
        (model / f"snapshots/{commit}").symlink_to(folder_of("consistency"))
    (model / "refs").mkdir()
    (model / "refs/main").write_text(commits[0])
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    generator = pp.load("diffusers:somebody/tiny", "cpu")
    assert generator.settings.get("revision") == commits[0]
    bank = pp.build_bank(generator, 4, k=2)
    (model / "refs/main").write_text(commits[1])
    moved = pp.load("diffusers:somebody/tiny", "cpu")
    with pytest.raises(BankError, match=f"is for revision {commits[0]}"):
        bank.check_fits(moved)
    bank.check_fits(pp.load(f"diffusers:somebody/tiny@{commits[0]}", "cpu"))
    bank.check_fits(pp.load("diffusers:somebody/tiny", "cpu", **bank.info.settings.given()))


def test_importing_the_plugin_imports_neither_torch_nor_diffusers():
    code = "import sys, polarprior_diffusers; sys.exit(any(name in sys.modules for name in ('torch', 'diffusers')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_index_that_small_writes_is_what_diffusers_writes(folder_of):
    index = json.loads((folder_of("flow") / "model_index.json").read_text())
    assert index["_class_name"] == "FluxPipeline"


@pytest.fixture
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("POLARPRIOR_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", ["consistency", *(pytest.param(name, marks=LONG) for name in ("sd", "flow"))])
@pytest.mark.usefixtures("_own_cache")
def test_latents_for_a_pipeline_that_somebody_has_loaded(load, name):
    from polarprior_diffusers import latents

    pipe, asked = made(name), ASKED[name]
    pipe.set_progress_bar_config(disable=True)
    words = {"prompt": "prompt", "steps": "num_inference_steps", "guidance": "guidance_scale"}
    call = {words[key]: value for key, value in asked.items() if key in words}
    call |= {"width": 8, "height": 8} if "size" in asked else {}
    many = {**call, "prompt": [call["prompt"]] * 2} if "prompt" in call else {"batch_size": 2}
    generators = [torch.Generator().manual_seed(seed) for seed in (3, 5)]
    before = pipe(**many, generator=generators, output_type="pt").images
    drawn = latents(pipe, [3, 5], **call)
    assert torch.equal(pipe(**many, latents=drawn, output_type="pt").images, before)
    generator = load(name)
    picked = latents(pipe, range(12), keep=2, tilt=0.5, k=6, **call)
    expected = pp.pick(generator, seeds=range(12), keep=2, tilt=0.5, k=6)
    assert torch.equal(picked, expected.latents.z)
    bank = pp.build_bank(generator, 12, k=4)
    rows = latents(pipe, range(12), bank=bank, tilt=0.5, force=True, **call)
    assert torch.equal(
        rows, pp.latent_sampler(generator, bank, tilt=0.5, force=True).redraw(generator.prior.draw(range(12)).z).z
    )


def test_what_latents_cannot_be_drawn_for_is_refused():
    from polarprior_diffusers import latents

    pipe = made("sd")
    for given, said in [
        ({"width": 16}, "width, height: got one of them"),
        ({"eta": 0.5}, "eta: latents can't be drawn for it"),
        ({"rho": 0.5}, "keep: got none, and no bank either"),
        ({"rho": 0.5, "tilt": 0.5, "keep": 2}, "tilt: got tilt=0.5 and rho=0.5"),
    ]:
        with pytest.raises(UsageError, match=said):
            latents(pipe, range(4), **{"prompt": "a cat", "num_inference_steps": 1, **given})


@pytest.mark.usefixtures("_own_cache")
def test_picking_among_sixteen_is_cheap_and_ranks_them(load):
    """At k = 30: at most 130 passes a candidate; ranked as the exact log-volumes rank them."""
    generator = load("sd", size="16x16")
    found = pp.pick(generator, seeds=range(16), keep=2, tilt=0.5, k=30).spectra
    assert (found.solved, found.passes <= 130 * 16) == (16, True)
    jacobian = pp.jacobian_fn(generator)(generator.prior.draw(range(16)))
    exact = top_singular_values(jacobian, 30).log_volume.numpy()
    assert spearmanr(found.log_volume, exact).statistic >= 0.95
