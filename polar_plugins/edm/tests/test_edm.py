"""The plugins `edm` and `edm2` on networks that the stock classes write, and their scripts in clones of checkouts."""

from __future__ import annotations

import importlib
import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polarprior as pp
import pytest
import torch
from polarprior.plugin import (
    Bank,
    BankError,
    PolarPriorError,
    RunsCodeWarning,
    StockRepo,
    UsageError,
    sha256_of,
    top_singular_values,
)
from polarprior.testing import GeneratorPluginTests
from polarprior_edm.noise import noise_prior, stock_noise
from polarprior_edm.repos import EDM, EDM2

TESTS = Path(__file__).parent
STEPS, RHO, GUIDANCE = 3, -2.0, 1.4
SCRIPTS = {EDM.name: "generate.py", EDM2.name: "generate_images.py"}


@dataclass
class Checkout:
    """A clone, with small networks in a folder: net.pkl, classes.pkl of three classes, and guide.pkl."""

    repo: StockRepo
    folder: Path
    work: Path

    @property
    def plugin(self):
        return "edm" if self.repo is EDM else "edm2"

    @property
    def script(self):
        return SCRIPTS[self.repo.name]

    def small(self, name, *words, resolution=4):
        """The path of a network, which is written once."""
        path = self.work / name
        if not path.exists():
            words = ["-m", "polarprior_edm.small", self.plugin, path, "--resolution", resolution, *words]
            run(*words, cwd=self.folder)
        return path

    def network(self, name):
        return self.small(f"{name}.pkl", *{"classes": ["--classes", 3], "guide": ["--seed", 5]}.get(name, []))

    def source(self, name):
        return "+".join(str(self.network(each)) for each in name.split("+"))

    def load(self, name, **settings):
        return pp.load(f"{self.plugin}:{self.source(name)}", "cpu", **{"steps": STEPS, **settings})

    def bank(self, name):
        """The bank of a network, built as a user would."""
        path = self.work / f"{name}.safetensors"
        if not path.exists():
            words = ["bank", "build", f"{self.plugin}:{self.source(name)}", "-n", 60, "-k", 4, "--out", path]
            words += ["--set", f"guidance={GUIDANCE}"] if "+" in name else []
            run("-m", "polarprior.cli", *words, "--set", f"steps={STEPS}", "--device", "cpu", cwd=self.folder)
        return path

    def words(self, name, seeds, *more, steps=STEPS):
        """The script's words for a network."""
        nets = [str(self.network(each)) for each in name.split("+")]
        flags = ["--network"] if self.plugin == "edm" else ["--net", "--gnet"]
        own = [f"{flag}={net}" for flag, net in zip(flags, nets, strict=False)]
        own += [f"--guidance={GUIDANCE}"] if len(nets) == 2 else []
        return [self.script, *own, f"--seeds={seeds}", f"--steps={steps}", *more]

    def drawn(self, name, seeds, *more, out="out", polarity=None, start=("-m", "polarprior.cli", "run")):
        """PNG bytes by the number of the seed in `seeds`."""
        folder = self.work / out
        for path in folder.glob("*"):
            path.unlink()
        words = [*start, *self.words(name, seeds, *more), f"--outdir={folder}"]
        if polarity is not None:
            words += [f"--polarity={polarity}", f"--bank={self.bank(name)}", "--force"]
        run(*words, cwd=self.folder)
        return [(folder / f"{int(seed):06d}.png").read_bytes() for seed in seeds.split(",")]

    def reference(self, name, seeds, classes=""):
        """The same, without the script."""
        self._stock("pictures", name, seeds, classes, self.work / "reference")
        return [
            (self.work / f"reference/{i}-{int(seed):06d}.png").read_bytes() for i, seed in enumerate(seeds.split(","))
        ]

    def spectrum(self, name, seeds, classes=""):
        """Singular values in float64, [n, K]."""
        self._stock("spectrum", name, seeds, classes, self.work / "spectrum.npy")
        return np.load(self.work / "spectrum.npy")

    def _stock(self, what, name, seeds, classes, out):
        run(TESTS / "stock_edm.py", what, self.folder, self.source(name), seeds, classes, STEPS,
            GUIDANCE if "+" in name else 1, out, cwd=self.work)  # fmt: skip

    def named(self, name, n, *more):
        """What `polarprior seeds` makes of the first n seeds."""
        words = ["-m", "polarprior.cli", "seeds", self.bank(name), f"--polarity={RHO}", "-n", n, "--force", *more]
        return run(*words, cwd=self.work).stdout.strip()


def run(*words, cwd, code=0, environ=None):
    """The finished process; each has a port of its own, where the scripts would all take the same one."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    environ = {**os.environ, "MASTER_PORT": port, **(environ or {})}
    done = subprocess.run([sys.executable, *map(str, words)], cwd=cwd, env=environ, capture_output=True, text=True)
    assert code is None or done.returncode == code, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def make_checkout(clone_of, tmp_path_factory):
    made = {}

    def make(repo):
        if repo.name not in made:
            made[repo.name] = Checkout(repo, clone_of(repo), tmp_path_factory.mktemp("work"))
        return made[repo.name]

    return make


@pytest.fixture(params=[EDM, EDM2], ids=lambda repo: repo.name)
def checkout(request, make_checkout, forget):
    forget()  # both call their modules the same
    yield make_checkout(request.param)
    forget()


class Conformance(GeneratorPluginTests):
    own_hooks = ("get_latent_sampler", "jacobian_fn")
    repo = EDM
    name = "net"

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def checkpoint(cls, make_checkout, forget):
        forget()
        made = make_checkout(cls.repo)
        cls.model = f"{made.plugin}:{made.source(cls.name)}"
        yield
        forget()

    @pytest.fixture(scope="class")
    @classmethod
    def generator(cls, host):
        return host.load(cls.model, "cpu", steps=STEPS, sigma_min=0.1, sigma_max=1.0)


class TestEDM(Conformance):
    pass


class TestEDMWithClasses(Conformance):
    name = "classes"


class TestEDM2(Conformance):
    repo = EDM2


class TestEDM2WithClasses(Conformance):
    repo = EDM2
    name = "classes"


@pytest.mark.parametrize("name", ["net", "classes", "net+guide"])
def test_images_are_those_of_the_stock_sampler(checkout, name):
    """EDM's bit for bit; EDM2's, whose sampler has float32 between two passes, to less than that rounds."""
    if "+" in name and checkout.plugin == "edm":
        pytest.skip("EDM has no guidance")
    generator = checkout.load(name, **({"guidance": GUIDANCE} if "+" in name else {}))
    script = importlib.import_module(checkout.script.removesuffix(".py"))  # of the checkout
    nets = generator.network
    options = {} if checkout.plugin == "edm" else {"gnet": nets.guide, "guidance": nets.guidance}
    for steps in (2, 3, 18) if checkout.plugin == "edm" else (8, 32):
        found = pp.load(generator.source, "cpu", **{**dict(generator.settings.own), "steps": steps})
        for seed in range(3):
            latents = found.prior.draw([seed], 1 if generator.num_classes else None)
            own = script.StackedRandomGenerator(torch.device("cpu"), [seed]).randn([1, *generator.prior.shape])
            assert torch.equal(latents.z, own)
            labels = None if latents.label is None else torch.eye(3)[latents.label]
            with torch.no_grad():
                stock = script.edm_sampler(nets.network, own, labels, num_steps=steps, **options).float()
            off = (found(latents) - stock).abs().max()
            assert off == 0 if checkout.plugin == "edm" else off < 5e-6
            assert torch.equal(pp.jacobian_fn(found)(latents).value, found(latents))


KINDS = [
    *((EDM, name, {}) for name in ("net", "classes")),
    (EDM, "ncsnpp", {"words": ("--arch", "ncsnpp", "--precond", "ve")}),
    (EDM, "vp", {"words": ("--precond", "vp")}),
    (EDM, "adm", {"words": ("--arch", "adm", "--precond", "iddpm")}),
    *((EDM2, name, {}) for name in ("net", "classes")),
    (EDM2, "net+guide", {"guidance": GUIDANCE}),
]


@pytest.mark.parametrize(("repo", "name", "how"), KINDS, ids=[f"{repo.name}-{name}" for repo, name, _ in KINDS])
def test_spectra_are_those_of_the_stock_loop_in_float64(make_checkout, forget, caplog, repo, name, how):
    """By the host's estimator, from a traced graph, whatever the network: each log sigma to 1e-3."""
    forget()
    checkout = make_checkout(repo)
    how = dict(how)
    checkout.small(f"{name}.pkl", *how.pop("words", ())) if name in ("ncsnpp", "vp", "adm") else None
    generator = checkout.load(name, **how)
    classes = [2, 1] if generator.num_classes else None
    latents = generator.prior.draw([0, 7], classes)
    found = top_singular_values(pp.jacobian_fn(generator)(latents), 6, estimator="exact").log_sigma.numpy()
    dense = checkout.spectrum(name, "0,7", ",".join(map(str, classes or [])))
    assert np.abs(found - np.log(dense[:, :6])).max() < 1e-3
    assert not any("can't be traced" in line for line in caplog.messages)


def test_a_bank_says_its_cost_and_its_settings(checkout):
    """In evaluations and tangents; all settings in force, defaults too, are stored, and others are refused."""
    path, model = checkout.work / "cost.safetensors", f"{checkout.plugin}:{checkout.source('net')}"
    words = ["-m", "polarprior.cli", "bank", "build", model, "-n", 5, "-k", 4, "--set", "steps=4", "--device", "cpu"]
    said = run(*words, "--out", path, cwd=checkout.folder).stderr
    assert re.search(r"5 latents \(7 evaluations x \d+ tangents each\)", said)
    own = dict(Bank.open(path).info.settings.own)
    expected = {"steps": 4, "sigma_min": 0.002, "sigma_max": 80.0, "exponent": 7.0}
    assert own == expected | ({"guidance": 1.0} if checkout.plugin == "edm2" else {})
    with pytest.raises(BankError, match=f"is for steps 4, {checkout.plugin} was opened with 5") as refused:
        Bank.open(path).check_fits(checkout.load("net", steps=5))
    assert "--set steps=5" in refused.value.hint
    with pytest.raises(BankError, match=r"is for sigma_max 80\.0, .* was opened with 40\.0"):
        Bank.open(path).check_fits(checkout.load("net", steps=4, sigma_max=40))


def test_settings(make_checkout, forget):
    forget()
    checkout = make_checkout(EDM)
    ve = checkout.small("ncsnpp.pkl", "--arch", "ncsnpp", "--precond", "ve")
    assert pp.load(f"edm:{ve}", "cpu", sigma_min=0.001).settings.get("sigma_min") == 0.02, "as the stock sampler"
    assert checkout.load("net", steps=18).settings == pp.load(f"edm:{checkout.source('net')}", "cpu").settings
    for given, said in [
        ({"steps": 1}, "steps: got 1, expected a whole number from 2"),
        ({"sigma_min": 0}, r"sigma_min: got 0, expected a finite number above 0"),
        ({"sigma_min": 90}, "sigma_min: got 90, expected less than sigma_max, which is 80"),
        ({"guidance": 2}, "guidance: no such option, expected some of "),
        ({"trunc": 0.5}, "trunc: edm has no such setting"),
    ]:
        with pytest.raises(UsageError, match=said):
            checkout.load("net", **given)


def test_guidance_needs_what_guides_and_the_other_way_round(make_checkout, forget):
    forget()
    checkout = make_checkout(EDM2)
    with pytest.raises(UsageError, match=r"guidance: got 1\.4, and the model has nothing that guides it"):
        checkout.load("net", guidance=GUIDANCE)
    with pytest.raises(UsageError, match="guidance: got 1, at which what guides the model changes nothing"):
        checkout.load("net+guide")
    guided = checkout.load("net+guide", guidance=GUIDANCE)
    other = pp.load(f"edm2:{checkout.source('guide+net')}", "cpu", steps=STEPS, guidance=GUIDANCE)
    assert len({guided.fingerprint, other.fingerprint, checkout.load("net").fingerprint}) == 3
    large = checkout.small("large.pkl", resolution=8)
    with pytest.raises(UsageError, match="it has 4 pixels, and what guides it 8"):
        pp.load(f"edm2:{checkout.source('net')}+{large}", "cpu", guidance=GUIDANCE)


def test_another_device_draws_other_noise(make_checkout, forget):
    """Its prior has another name, and a bank of one is refused to the other."""
    forget()
    generator = make_checkout(EDM).load("net")
    bank = pp.build_bank(generator, 20, 2)
    moved = replace(generator, prior=noise_prior(generator.prior.shape, torch.device("cuda")))
    with pytest.raises(BankError, match="is for the prior normal, edm has normal drawn on cuda"):
        bank.check_fits(moved)
    assert generator.on("cpu").prior.name == "normal"
    sampler = pp.latent_sampler(generator, bank, 0.01, support="shell", force=True)
    assert sampler.described()["laws"][0]["support"]["name"] == "shell"
    for shape in ((1, 3, 3), (3, 4, 4)):  # an odd number of numbers, and few
        again = stock_noise(shape, torch.device("cpu"), np.array([5, 6, 5]))
        own = torch.randn(shape, generator=torch.Generator().manual_seed(5))
        assert np.array_equal(again[2], own.numpy())


def test_pickles_run_code_and_can_be_pinned(checkout):
    path, plugin = checkout.network("net"), checkout.plugin
    with pytest.warns(RunsCodeWarning, match=f"runs the code it holds .*{sha256_of(path)}"):
        pp.load(f"{plugin}:{path}", "cpu")
    pp.load(f"{plugin}:{path}", "cpu", sha256=sha256_of(path))
    with pytest.raises(PolarPriorError, match="it was not opened"):
        pp.load(f"{plugin}:{path}", "cpu", sha256="0" * 64)


@pytest.mark.parametrize("content", [b"", b"not a pickle", b"\x80\x04}.", b"\x80\x04}X\x03\x00\x00\x00emaK\x01s."])
def test_what_is_no_network_pickle_is_refused(checkout, tmp_path, content):
    (tmp_path / "bad.pkl").write_bytes(content)
    for path, said in (("bad.pkl", "holds no network of "), ("none.pkl", "no file")):
        with pytest.raises(PolarPriorError, match=said):
            pp.load(f"{checkout.plugin}:{tmp_path / path}", "cpu")
    with pytest.raises(UsageError, match=f"expected {checkout.plugin}:FILE"):
        pp.load(checkout.plugin, "cpu")
    if checkout.plugin == "edm":
        with pytest.raises(UsageError, match="edm has no guidance"):
            pp.load("edm:a.pkl+b.pkl", "cpu")


class StandInEncoder:
    """Makes images of what a network gives, as a VAE does."""


@pytest.mark.parametrize("how", ["encoder", "channels"])
def test_images_that_a_decoder_makes_are_refused(make_checkout, forget, monkeypatch, tmp_path, how):
    import pickle

    forget()
    checkout = make_checkout(EDM2)
    checkout.load("net")  # its classes can be imported now
    content = pickle.loads(checkout.network("net").read_bytes())
    if how == "encoder":
        monkeypatch.setattr(sys.modules["__main__"], "StandInEncoder", StandInEncoder, raising=False)
        monkeypatch.setattr(StandInEncoder, "__module__", "__main__")
        content["encoder"] = StandInEncoder()
    else:
        content["ema"].img_channels = 4
        content["encoder"] = None
    (tmp_path / "vae.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(PolarPriorError, match="and volume is that of images") as refused:
        pp.load(f"edm2:{tmp_path}/vae.pkl", "cpu")
    assert "use a network of pixels" in refused.value.hint


def test_without_polarity_the_script_is_the_stock_one(checkout):
    for name, more, classes in (("net", [], ""), ("classes", [], ""), ("classes", ["--class=2"], "2,2,2,2")):
        expected = checkout.reference(name, "0,1,2,3", classes)
        assert checkout.drawn(name, "0,1,2,3", *more) == expected
        if not more:
            assert checkout.drawn(name, "0,1,2,3", polarity=0) == expected


@pytest.mark.parametrize("name", ["net", "classes", "net+guide"])
def test_every_picture_is_that_of_a_named_seed(checkout, name):
    """With the launcher and with the flag, the same; and the stock script on the seeds that
    `polarprior seeds` names writes the same bytes."""
    if "+" in name and checkout.plugin == "edm":
        pytest.skip("EDM has no guidance")
    more = ["--class=2"] if name == "classes" else []
    seeds = "2,5,8,11,14,17" if more else "0,1,2,3,4,5"  # those of the class's first rows
    named = checkout.named(name, 6, *(["--class", 2] if more else []))
    assert named != seeds
    drawn = checkout.drawn(name, seeds, *more, polarity=RHO)
    assert drawn == checkout.reference(name, named, ",".join("2" * 6) if more else "")
    record = json.loads((checkout.work / "out/polarprior.json").read_text())
    assert [pair[1] for pair in record["draws"][0]["drawn"]] == [int(seed) for seed in named.split(",")]
    one_each = ",".join(dict.fromkeys(named.split(",")))
    stock = dict(zip(one_each.split(","), checkout.drawn(name, one_each, *more, out="stock"), strict=True))
    if len(stock) == 6:  # else another batch, and its rounding
        assert drawn == [stock[seed] for seed in named.split(",")]
    assert checkout.drawn(name, seeds, *more, polarity=RHO, start=()) == drawn, "the flag"


def test_classes_stay_those_that_the_script_drew(checkout):
    """Without --class each seed draws its class after its latent; the latent is redrawn within it."""
    seeds = list(range(8))
    drawn = checkout.drawn("classes", ",".join(map(str, seeds)), polarity=RHO)
    record = json.loads((checkout.work / "out/polarprior.json").read_text())
    bank = Bank.open(checkout.bank("classes"))
    classes = [int(torch.randint(3, [], generator=_after_noise(seed))) for seed in seeds]
    rows = [pair[1] for pair in record["draws"][0]["drawn"]]
    assert len(set(classes)) == 3
    for row, label in zip(rows, classes, strict=True):
        assert label in bank.labels[bank.seeds == row]
    assert drawn == checkout.reference("classes", ",".join(map(str, rows)), ",".join(map(str, classes)))
    checkout.drawn("classes", ",".join(map(str, seeds)), "--joint", polarity=RHO)
    record = json.loads((checkout.work / "out/polarprior.json").read_text())
    assert record["draws"][0]["laws"][0]["joint"]


def _after_noise(seed):
    stream = torch.Generator().manual_seed(seed)
    torch.randn([3, 4, 4], generator=stream)
    return stream


def test_a_patched_script_draws_the_same(checkout, check_patch):
    drawn = checkout.drawn("net", "0,1,2,3", polarity=RHO)
    before = (checkout.folder / checkout.script).read_bytes()

    def patched():
        assert (checkout.folder / checkout.script).read_bytes() != before
        assert checkout.drawn("net", "0,1,2,3", polarity=RHO, start=()) == drawn

    check_patch(checkout.folder, [checkout.script], patched)
    assert (checkout.folder / checkout.script).read_bytes() == before


def test_two_processes_draw_what_one_does(checkout):
    """By torchrun, on a CPU: every picture of both is that of the row that one process draws."""
    seeds = ",".join(map(str, range(10)))
    one = checkout.drawn("net", seeds, polarity=RHO)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    both = checkout.drawn("net", seeds, polarity=RHO, start=torchrun, out="both")
    records = [json.loads((checkout.work / f"both/polarprior-{i}-of-2.json").read_text()) for i in (1, 2)]
    drawn = [pair for record in records for pair in record["draws"][0]["drawn"]]
    assert sorted(pair[0] for pair in drawn) == list(range(10))
    assert min(len(record["draws"][0]["drawn"]) for record in records) == 5
    assert _apart(one, both) <= 1


def _apart(some, others):
    """The largest difference of two lists of pictures, in steps of a PNG: other batches round otherwise."""
    import io

    from PIL import Image

    def pixels(pictures):
        return np.stack([np.asarray(Image.open(io.BytesIO(each)), int) for each in pictures])

    return np.abs(pixels(some) - pixels(others)).max()


def test_what_cannot_be_is_refused(checkout):
    """Before the first pass through a network, in one error and one hint; the command is the stock script's."""
    out = checkout.work / "refused"
    other = checkout.small("other.pkl", "--seed", 1)
    flag = "--network" if checkout.plugin == "edm" else "--net"
    good = checkout.words("net", "0-3")
    cases = [
        ([*good, "--S_churn=40"], 2, "--polarity: --S_churn 40 adds noise on the way"),
        (checkout.words("net", "0-3", steps=5), 1, f"is for steps 3, {checkout.plugin} was opened with 5"),
        ([*good, "--sigma_max=40"], 1, "is for sigma_max 80.0, "),
        ([*good, "--rho=5"], 1, "is for exponent 7.0, "),
        ([*good, f"{flag}={other}"], 1, "with other weights (fingerprint "),
    ]
    if checkout.plugin == "edm":
        cases += [
            ([*good, f"--{name}={value}"], 2, f"--polarity: --{name} chooses another sampler")
            for name, value in (("solver", "heun"), ("disc", "edm"), ("schedule", "linear"), ("scaling", "none"))
        ]
        cases += [(["example.py"], 2, "--polarity: example.py of NVlabs/edm takes none: it shows one grid")]
    else:
        guided = checkout.words("net+guide", "0-3")
        cases += [
            (guided, 1, "with other weights (fingerprint "),
            ([word for word in guided if not word.startswith("--gnet")], 1, "Please specify --gnet"),
            (["calculate_metrics.py"], 2, "takes none: it compares pictures that are there already"),
        ]
    for words, code, said in cases:
        words = [*words, f"--outdir={out}", f"--polarity={RHO}", f"--bank={checkout.bank('net')}"]
        done = run(*words, cwd=checkout.folder, code=None)
        assert done.returncode == code, f"{words}\n{done.stderr}"
        assert said in done.stderr
        assert not out.exists()
        if "Please specify" not in said:  # the script's own
            lines = [line for line in done.stderr.splitlines() if line.startswith(("error: ", "hint: "))]
            assert len(lines) == 2, done.stderr
            assert "Traceback" not in done.stderr


def test_a_class_that_the_bank_lacks_is_refused(checkout):
    bank = checkout.work / "some.safetensors"
    model = f"{checkout.plugin}:{checkout.source('classes')}"
    words = ["bank", "build", model, "-n", 20, "-k", 2, "--class", "0,2", "--set", f"steps={STEPS}", "--out", bank]
    run("-m", "polarprior.cli", *words, "--device", "cpu", cwd=checkout.folder)
    for more, said in (
        ([], "1 of 3 classes have no rows, such as 1"),
        (["--class=1"], "--class: got 1, the bank has 0, 2"),
    ):
        words = [*checkout.words("classes", "0-3", *more), f"--outdir={checkout.work}/refused", "--polarity=-1"]
        done = run(*words, f"--bank={bank}", "--force", cwd=checkout.folder, code=None)
        assert done.returncode in (1, 2), done.stderr
        assert said in done.stderr
        assert not (checkout.work / "refused").exists()


def test_another_network_of_another_kind_says_so(make_checkout, forget):
    forget()
    make_checkout(EDM)
    path = make_checkout(EDM2).network("net")
    with pytest.raises(PolarPriorError, match="holds no network of edm that can be opened"):
        pp.load(f"edm:{path}", "cpu")
