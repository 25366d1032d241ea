"""The file of a metric, and polarity in its space."""

from __future__ import annotations

import json

import numpy as np
import polarprior as pp
import pytest
import torch
from polarprior.plugin import PolarPriorError, UsageError
from polarprior_ground_metric.levels import Levels
from polarprior_ground_metric.metric import MultiLevelMetric, Tried
from polarprior_ground_metric.metric_file import MetricFile
from polarprior_ground_metric.signatures import Signatures
from safetensors.torch import load_file, save_file
from torch import nn

RHO = 0.7
TRIED = [Tried(None, None, 0.5), Tried(1.0, None, 0.75)]


def generator_of(latent, features, seed=0):
    stream = torch.Generator().manual_seed(seed)
    network = nn.Sequential(nn.Linear(latent, 8), nn.Tanh(), nn.Linear(8, features)).eval()
    with torch.no_grad():
        for each in network.parameters():
            each.copy_(torch.randn(each.shape, generator=stream) / each.shape[-1] ** 0.5)
    return pp.wrap(network, latent_dim=latent)


def metric_of(shared, own=None):
    """As if it had been learnt, of the classes 3 and 5."""
    stream = torch.Generator().manual_seed(0)
    dim = len(shared)
    own = torch.zeros(2, dim, dim) if own is None else own
    stored = Signatures.of(torch.randn(4, 3, dim, generator=stream))
    classes = torch.tensor([0, 1, 0, 1])
    return MultiLevelMetric(1).given(
        np.array([3, 5]), Levels(shared, own), 2.0, 0.3, stored, classes, TRIED, TRIED[1]
    )


def semidefinite(dim, seed=0, rank=None):
    root = torch.randn(rank or dim, dim, generator=torch.Generator().manual_seed(seed))
    return root.T @ root / dim


def polarity_weights(bank, k):
    return torch.from_numpy(RHO * bank.log_volume(k)).softmax(0)


def test_a_file_gives_the_metric_back(tmp_path):
    metric = metric_of(semidefinite(4), torch.stack([semidefinite(4, 1), semidefinite(4, 2, 1)]))
    path = MetricFile(metric, "pixel", torch.eye(4)[:, [0, 1, 2, 3, 0]]).save(tmp_path / "metric")
    assert path.name == "metric.safetensors"
    found = MetricFile.open(tmp_path / "metric")
    others = torch.randn(5, 2, 4, generator=torch.Generator().manual_seed(9))
    assert torch.equal(found.metric.distances(others), metric.distances(others))
    assert found.metric.predict(others).tolist() == metric.predict(others).tolist()
    assert found.metric.get_params() == metric.get_params()
    assert found.metric.tried_ == TRIED
    torch.testing.assert_close(found.linear(5), metric.linear(5) @ torch.eye(4)[:, [0, 1, 2, 3, 0]])
    before = path.read_bytes()
    found.save(path)
    assert path.read_bytes() == before


def test_an_invertible_map_changes_no_weight_of_a_full_volume(tmp_path):
    """D <= K and k = D: log |det L| is the same for every latent."""
    generator = generator_of(6, 4)
    MetricFile(metric_of(semidefinite(4)), "pixel").save(tmp_path / "m")
    plain = pp.build_bank(generator, 64, 4)
    ours = pp.build_bank(generator, 64, 4, space=f"ground-metric:{tmp_path / 'm'}")
    torch.testing.assert_close(polarity_weights(ours, 4), polarity_weights(plain, 4), rtol=1e-3, atol=0)
    assert abs(float(ours.log_volume(4)[0] - plain.log_volume(4)[0])) > 0.1, "but for a constant"


@pytest.mark.parametrize(("latent", "features", "k"), [(6, 4, 2), (3, 5, 3)])
def test_it_does_where_volume_is_not_full(tmp_path, latent, features, k):
    """The largest values alone, or more features than latents."""
    generator = generator_of(latent, features)
    MetricFile(metric_of(semidefinite(features)), "pixel").save(tmp_path / "m")
    plain = pp.build_bank(generator, 64, k)
    ours = pp.build_bank(generator, 64, k, space=f"ground-metric:{tmp_path / 'm'}")
    assert float((polarity_weights(ours, k) / polarity_weights(plain, k) - 1).abs().max()) > 0.05


def test_log_volumes_are_of_the_product_with_l(tmp_path):
    """A matrix of a class of its own, and of a matrix without full rank, whose rank bounds k."""
    generator = generator_of(5, 6)
    shared, own = semidefinite(6, 0, 3), torch.stack([torch.zeros(6, 6), semidefinite(6, 4, 1)])
    MetricFile(metric_of(shared, own), "pixel").save(tmp_path / "m")
    z = generator.prior.draw([7]).z
    jacobian = torch.autograd.functional.jacobian(lambda each: generator.network(each[None])[0], z[0])
    for name, label, rank in (("m", None, 3), ("m@5", 5, 4)):
        space = f"ground-metric:{tmp_path / name}"
        bank = pp.build_bank(generator, 8, rank, space=space)
        linear = metric_of(shared, own).linear(label)
        assert linear.shape == (rank, 6)
        expected = torch.linalg.svdvals(linear @ jacobian).log()
        torch.testing.assert_close(torch.from_numpy(bank.log_singular_values[7]), expected, atol=1e-3, rtol=0)
        with pytest.raises(UsageError, match=rf"^k: got {rank + 1}, expected 1 to {rank}, "):
            pp.build_bank(generator, 8, rank + 1, space=space)


def test_a_bank_of_a_class_in_its_own_metric(tmp_path):
    """A conditional generator's class 1 where M_0 + M_1 measures; weights are those within the class."""

    class Conditional(nn.Module):
        def __init__(self):
            super().__init__()
            of_classes = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
            self.of_classes = nn.Parameter(of_classes)

        def forward(self, z, label):
            return torch.tanh(torch.einsum("nk,ndk->nd", z, self.of_classes[label]))

    network = Conditional()
    generator = pp.wrap(network, latent_dim=4, num_classes=2)
    metric = metric_of(semidefinite(6), torch.stack([torch.zeros(6, 6), 3 * semidefinite(6, 4, 2)]))
    MetricFile(metric, "pixel").save(tmp_path / "m")
    bank = pp.build_bank(generator, 16, 3, classes=[1], space=f"ground-metric:{tmp_path / 'm'}@5")
    assert set(bank.columns(0, 16)["labels"]) == {1}
    z = generator.prior.draw([7]).z
    jacobian = torch.autograd.functional.jacobian(lambda each: network(each[None], torch.tensor([1]))[0], z[0])
    expected = torch.linalg.svdvals(metric.linear(5) @ jacobian)[:3].log()
    torch.testing.assert_close(torch.from_numpy(bank.log_singular_values[7]), expected, atol=1e-3, rtol=0)


def test_what_is_no_space_of_images_is_refused(tmp_path):
    generator = generator_of(5, 6)
    MetricFile(metric_of(semidefinite(6))).save(tmp_path / "sets")
    MetricFile(metric_of(semidefinite(6)), "pixel").save(tmp_path / "m")
    MetricFile(metric_of(semidefinite(4)), "pixel").save(tmp_path / "four")
    MetricFile(metric_of(semidefinite(6)), "ground-metric:m").save(tmp_path / "itself")
    for name, said in (
        ("sets", "no features of images"),
        ("itself", "no features of images"),
        ("m@4", "got class '4', expected one of 3, 5"),
        ("four", "is of 4 features, pixel of torch has 6"),
        ("m@", "got class '', expected one of 3, 5"),
    ):
        with pytest.raises(UsageError, match=said):
            pp.feature_map(generator, f"ground-metric:{tmp_path / name}")
    with pytest.raises(PolarPriorError, match="no file"):
        pp.feature_map(generator, f"ground-metric:{tmp_path / 'none'}")


def test_a_path_and_a_class_may_have_an_at_sign(tmp_path):
    (tmp_path / "a@b").mkdir()
    generator = generator_of(5, 6)
    stored, classes = metric_of(semidefinite(6)).stored()
    names, levels = np.array(["cat", "dog@home"]), Levels(semidefinite(6), torch.zeros(2, 6, 6))
    metric = MultiLevelMetric(1).given(names, levels, 2.0, 0.3, stored, classes, TRIED, TRIED[1])
    MetricFile(metric, "pixel").save(tmp_path / "a@b" / "m")
    for name in ("m", "m.safetensors", "m@cat", "m@dog@home"):
        space = f"ground-metric:{tmp_path / 'a@b' / name}"
        assert pp.feature_map(generator, space).space == space


def test_numbers_of_another_width_are_cast(tmp_path):
    stored, classes = metric_of(semidefinite(6)).stored()
    stored = Signatures(stored.points.double(), stored.weights.double())
    levels = Levels(semidefinite(6).double(), torch.zeros(2, 6, 6, dtype=torch.float64))
    metric = MultiLevelMetric(np.int64(1), rho_0=np.ones(1)).given(
        np.array([3, 5]), levels, 2.0, 0.3, stored, classes, TRIED, TRIED[1]
    )
    MetricFile(metric, "pixel").save(tmp_path / "m")
    assert MetricFile.open(tmp_path / "m").metric.n_neighbors == 1
    bank = pp.build_bank(generator_of(5, 6), 4, 5, space=f"ground-metric:{tmp_path / 'm'}")
    assert np.isfinite(bank.log_singular_values).all()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("shared", lambda each: each * 0),
        ("shared", lambda each: each + torch.eye(4).roll(1, 0)),
        ("shared", lambda each: each.half()),
        ("classes", lambda each: each.float()),
        ("shared", lambda each: each[:3]),
        ("shared", lambda each: -each),
        ("own", lambda each: each[:1]),
        ("points", lambda each: each[:, :, :2]),
        ("weights", lambda each: each * 2),
        ("classes", lambda each: each + 1),
        ("classes", lambda each: each[:2]),
        ("points", lambda each: each * torch.nan),
    ],
)
def test_a_file_of_others_is_read_with_care(name, change, tmp_path):
    path = MetricFile(metric_of(semidefinite(4)), "pixel").save(tmp_path / "m")
    tensors = load_file(path)
    metadata = {"polarprior": json.dumps({"format": "polarprior-ground-metric/1", **about(path)})}
    save_file(tensors, path, metadata)
    MetricFile.open(path)
    tensors[name] = change(tensors[name]).contiguous()
    save_file(tensors, path, metadata)
    with pytest.raises(PolarPriorError, match="holds no ground metric"):
        MetricFile.open(path)


@pytest.mark.parametrize(
    "change",
    [
        {"scale": float("nan")},
        {"gamma": float("inf")},
        {"scale": 1e-300},
        {"labels": [3, 3]},
        {"labels": [None, None]},
        {"settings": {"n_neighbors": "x"}},
        {"settings": {"unknown": 1}},
        {"tried": [["a", "b", "c"]]},
        {"chosen": 7},
    ],
    ids=str,
)
def test_what_is_said_of_a_file_is_read_with_care(change, tmp_path):
    path = MetricFile(metric_of(semidefinite(4)), "pixel").save(tmp_path / "m")
    said = {"format": "polarprior-ground-metric/1", **about(path), **change}
    save_file(load_file(path), path, {"polarprior": json.dumps(said)})
    with pytest.raises(PolarPriorError, match="holds no ground metric"):
        MetricFile.open(path)


def about(path):
    from polarprior_training.described_file import open_described

    return open_described(path, "polarprior-ground-metric/1", "", "")[0]
