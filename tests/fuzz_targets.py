"""What `benchmarks/fuzzing.py` feeds: a function of bytes for each kind of file that strangers make.

It writes them to a file, reads it as users would, and raises where anything but an error of ours comes of it.
"""

from __future__ import annotations

import hashlib
import io
import json
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import polarprior as pp
import torch
from PIL import Image
from polarprior.bank.cache import BankCache
from polarprior.bank.format import BankFile
from polarprior.bank.index import Shard, canonical, index_text
from polarprior.bank.info import BankInfo
from polarprior.building import calibration_bytes
from polarprior.building.card import write_card
from polarprior.building.parts import Parts
from polarprior.errors import PolarPriorError
from polarprior.foreign import Foreign
from polarprior.reports.bank_report import BankReport
from polarprior.surrogate.surrogate import Surrogate
from polarprior_boltzmann.bases import GeneralisedGaussian
from polarprior_boltzmann.flow_file import FlowFile, OfModel
from polarprior_boltzmann.networks import KernelMLPs
from polarprior_ground_metric.levels import Levels
from polarprior_ground_metric.metric import MultiLevelMetric, Tried
from polarprior_ground_metric.metric_file import MetricFile
from polarprior_ground_metric.signatures import Signatures
from polarprior_pagan.model_file import Model
from polarprior_pagan.networks import Encoder, Generator, OfImages
from polarprior_pagan.recipe import Recipe
from safetensors.numpy import save as save_numpy
from safetensors.torch import load as load_torch
from safetensors.torch import save as save_torch
from toys import toy_bank

RAW = ("\x1b", "\u202e", "\ud800")


@cache
def folder() -> Path:
    return Path(mkdtemp(prefix="fuzz-"))


def sound(read: Callable[[], Any]) -> Any:
    """What reading gives; None where it is refused, in a line that can be printed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read()
    except PolarPriorError as error:
        if not (error.message.isprintable() and error.hint.isprintable()):
            raise AssertionError("an error that can't be printed") from error
        return None


def used(bank: pp.Bank) -> None:
    """Everything of a bank that is shown or computed without a model."""
    bank.log_volume()
    shown = BankReport.of(bank).text() + repr(bank) + json.dumps(BankReport.of(bank).to_dict())
    card = write_card(bank, folder() / "card/bank").read_text()
    assert not any(raw in shown + card for raw in RAW), "shown raw"
    pp.verify(bank)


def bank(data: bytes) -> None:
    """A file as it is."""
    path = folder() / "bank.safetensors"
    path.write_bytes(data)
    opened = sound(lambda: pp.Bank.open(path, cached=False))
    if opened is not None:
        assert all(type(each) is Foreign for each in (opened.info.space, opened.info.plugin, opened.info.licence))
        sound(lambda: used(opened))


def signed_bank(data: bytes) -> None:
    """A file whose metadata are made canonical, and their digest right, where they can be."""
    bank(signed(data))


def signed(data: bytes) -> bytes:
    with suppress(Exception):
        start = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:start])
        about = json.loads(header["__metadata__"]["polarprior"])
        columns = {}
        for name, entry in header.items():
            if name != "__metadata__":
                first, stop = (start + each for each in entry["data_offsets"])
                kind = {"I64": "<i8", "F32": "<f4"}[entry["dtype"]]
                columns[name] = np.frombuffer(data[first:stop], kind).reshape(entry["shape"])
        total = hashlib.sha256(canonical({**about, "digest": ""}).encode())
        for name in sorted(columns):
            total.update(f"{name}:{columns[name].shape};".encode() + columns[name].tobytes())
        header["__metadata__"]["polarprior"] = canonical({**about, "digest": total.hexdigest()})
        head = json.dumps(header).encode()
        return len(head).to_bytes(8, "little") + head + data[start:]
    return data


@cache
def shards() -> tuple[Path, BankInfo]:
    """A bank in shards whose index is then replaced."""
    path = toy_bank(30, 1.0).save(folder() / "shards/bank", max_shard_size=10 * 28)
    return path, pp.Bank.open(path).info


def index(data: bytes) -> None:
    path, _ = shards()
    path.write_bytes(data)
    opened = sound(lambda: pp.Bank.open(path, cached=False))
    if opened is not None:
        sound(lambda: used(opened))


def signed_index(data: bytes) -> None:
    """An index whose text is made what ours would be, where it can be."""
    with suppress(Exception):
        _, info = shards()
        lines = [Shard(line["file"], line["digest"], line["rows"]) for line in json.loads(data)["shards"]]
        data = index_text(info, lines).encode()
    index(data)


def plan(data: bytes) -> None:
    """What is left of a build that somebody else began."""
    parts = Parts(folder() / "bank.parts")
    parts.folder.mkdir(exist_ok=True)
    (parts.folder / "plan.json").write_bytes(data)
    sound(parts.calibration)
    sound(lambda: parts.check(_plan()))


@cache
def _plan() -> Any:
    from polarprior.building.deciding import first_plan
    from polarprior.building.plan import Request

    generator = pp.wrap(torch.nn.Linear(4, 6), latent_dim=4)
    return first_plan(generator, Request(9, 2, "pixel", "z", None, 0, None, 0.05, None))


def calibration(data: bytes) -> None:
    """A calibration whose digest the plan states."""
    parts = Parts(folder() / "calibrated.parts")
    parts.folder.mkdir(exist_ok=True)
    (parts.folder / "calibration.safetensors").write_bytes(data)
    (parts.folder / "plan.json").write_text(json.dumps({"calibration": hashlib.sha256(data).hexdigest()}))
    sound(parts.calibration)


def surrogate(data: bytes) -> None:
    """An entry of the cache."""
    path = folder() / "cached.safetensors"
    if not path.exists():
        toy_bank(30, 1.0).save(path)
    cache = BankCache([_file_of(path)])
    entry = cache._file("surrogate-k3")
    if entry is not None:
        entry.write_bytes(data)
        kept = sound(lambda: cache.get("surrogate-k3", lasts=True))
        if kept is not None:
            with suppress(ValueError):
                Surrogate.from_arrays(kept)


def _file_of(path: Path) -> BankFile:
    opened = pp.Bank.open(path, cached=False)
    return BankFile(path, opened.info, len(opened), opened.columns(), path.stat())


def described(opening: Callable[[Path], Any], name: str) -> Callable[[bytes], None]:
    def target(data: bytes) -> None:
        path = folder() / f"{name}.safetensors"
        path.write_bytes(data)
        sound(lambda: opening(path))

    return target


def about_of(name: str) -> Callable[[bytes], None]:
    """A description in front of tensors that are right."""

    def target(data: bytes) -> None:
        whole = seeds()[name]
        start = 8 + int.from_bytes(whole[:8], "little")
        header = json.loads(whole[8:start])
        header["__metadata__"]["polarprior"] = data.decode(errors="replace")
        head = json.dumps(header).encode()
        TARGETS[name](len(head).to_bytes(8, "little") + head + whole[start:])

    return target


def images(suffix: str, inside: bool = False) -> Callable[[bytes], None]:
    """Real images of a kind; `inside` a folder, beside another."""

    def target(data: bytes) -> None:
        path = folder() / f"images{suffix}"
        if inside:
            path = folder() / "pictures"
            path.mkdir(exist_ok=True)
            (path / "b.png").write_bytes(seeds()["png"])
            (path / f"a{suffix}").write_bytes(data)
        else:
            path.write_bytes(data)
            labels = bytes((0, 0, 8, 1)) + np.array([3], ">u4").tobytes() + bytes(3)
            path.with_name(path.name.replace("images-idx3", "labels-idx1")).write_bytes(
                labels
            ) if "idx" in suffix else None

        def read() -> None:
            reference = pp.open_reference(path)
            reference.pixels([0, len(reference) - 1], 3, (8, 8))
            reference.labels()
            [reference.name(row) for row in range(min(len(reference), 20))]

        sound(read)

    return target


TARGETS: dict[str, Callable[[bytes], None]] = {
    "bank": bank,
    "signed_bank": signed_bank,
    "index": index,
    "signed_index": signed_index,
    "plan": plan,
    "calibration": calibration,
    "surrogate": surrogate,
    "flow": described(FlowFile.open, "flow"),
    "metric": described(MetricFile.open, "metric"),
    "pagan": described(Model.open, "pagan"),
    "about_flow": about_of("flow"),
    "about_metric": about_of("metric"),
    "about_pagan": about_of("pagan"),
    "idx": images("-images-idx3-ubyte"),
    "idx_gz": images("-images-idx3-ubyte.gz"),
    "npz": images(".npz"),
    "zip": images(".zip"),
    "cifar": images(".bin"),
    "png": images(".png", inside=True),
    "jpg": images(".jpg", inside=True),
}


@cache
def seeds() -> dict[str, bytes]:
    """A sound file of each kind, from which mutations start."""
    import gzip

    toy = toy_bank(6, 1.0, num_classes=2)
    one = toy.save(folder() / "seed").read_bytes()
    path, _ = shards()
    sound_index = path.read_text()
    picture, jpg, npz, archive = io.BytesIO(), io.BytesIO(), io.BytesIO(), io.BytesIO()
    image = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    image.save(picture, "PNG")
    image.save(jpg, "JPEG")
    np.savez_compressed(npz, np.zeros((3, 8, 8, 3), np.uint8))
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        for name in ("a/one.png", "b/two.png"):
            made.writestr(name, picture.getvalue())
    idx = bytes((0, 0, 8, 3)) + np.array([3, 8, 8], ">u4").tobytes() + bytes(192)
    flow, metric, pagan = _flow(), _metric(), _pagan()
    of = {"flow": flow, "metric": metric, "pagan": pagan}
    abouts = {f"about_{name}": _about(content) for name, content in of.items()}
    return {
        "bank": one,
        "signed_bank": one,
        "index": sound_index.encode(),
        "signed_index": sound_index.encode(),
        "plan": replace(_plan(), chosen="exact").to_json().encode(),
        "calibration": _calibration(),
        "surrogate": save_numpy({"scalar_centre": np.zeros(2), "level": np.array(1.0)}, {"contents": "x"}),
        **of,
        **abouts,
        "idx": idx,
        "idx_gz": gzip.compress(idx),
        "npz": npz.getvalue(),
        "zip": archive.getvalue(),
        "cifar": bytes(2 * 3073),
        "png": picture.getvalue(),
        "jpg": jpg.getvalue(),
    }


def with_header(content: bytes, change: Callable[[dict[str, Any], dict[str, Any]], Any]) -> bytes:
    """A safetensors file whose description is changed in place, or, where `change` gives text, is that."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    about = json.loads(header["__metadata__"]["polarprior"])
    said = change(about, header)
    header["__metadata__"]["polarprior"] = said if isinstance(said, str) else canonical_or_not(about)
    head = json.dumps(header).encode()
    return len(head).to_bytes(8, "little") + head + content[start:]


def canonical_or_not(about: Any) -> str:
    """JSON as ours, with NaN where there is one."""
    return json.dumps(about, sort_keys=True, separators=(",", ":"))


@cache
def crafted() -> dict[str, list[bytes]]:
    """Files that chance would hardly come upon, by target."""
    found = seeds()
    bank, index = found["bank"], json.loads(found["index"])
    settings: list[Any] = [
        [],
        {"trunc": "x", "temperature": None, "noise_mode": None},
        {"trunc": None, "temperature": -1.0, "noise_mode": None},
        {"trunc": 10**400, "temperature": None, "noise_mode": None},
    ]
    picture, floats = io.BytesIO(), io.BytesIO()
    Image.fromarray(np.full((8, 8), 4000, np.uint16)).save(picture, "PNG")
    Image.fromarray(np.zeros((8, 8), np.float32)).save(floats, "TIFF")
    wide = io.BytesIO()
    Image.new("RGB", (8, 9)).save(wide, "PNG")
    whole = io.BytesIO()
    Image.fromarray(np.full((8, 8), 70_000, np.int32)).save(whole, "TIFF")
    path = folder() / "cached.safetensors"
    surrogate(b"")
    kept = BankCache([_file_of(path)])
    fitted = Surrogate(np.zeros(2), np.ones(2), np.zeros(3), np.zeros(3), 1.0, np.zeros(4))
    kept.put("surrogate-k3", fitted.to_arrays(), lasts=True)
    entry = kept._file("surrogate-k3")
    half = load_torch(found["metric"])
    return {
        "signed_bank": [
            *(with_header(bank, lambda about, _, each=each: about.update(settings=each)) for each in settings),
            with_header(bank, lambda about, _: about["estimator"].update(error=float("nan"))),
            with_header(bank, lambda about, _: about.update(plugin=3)),
            with_header(bank, lambda *_: "[]"),
        ],
        "bank": [
            with_header(bank, lambda *_: "x" * (2**20 + 1)),
            save_numpy(
                {
                    **dict.fromkeys(("seeds", "latent_hash", "labels"), np.zeros(0, np.int64)),
                    "log_singular_values": np.zeros((0, 3), np.float32),
                },
                {"polarprior": canonical_or_not(json.loads(_about(bank)))},
            ),
        ],
        "index": [
            json.dumps({**index, "shards": [{**line, "file": 3} for line in index["shards"]]}).encode(),
            b" " * (1 << 21),
            b"[" * 100_000,
        ],
        "about_flow": [
            b"[" * 100_000,
            json.dumps({**json.loads(found["about_flow"]), "of_model": None}).encode(),
            json.dumps(
                {
                    **json.loads(found["about_flow"]),
                    "of_model": {**json.loads(found["about_flow"])["of_model"], "plugin": 3},
                }
            ).encode(),
        ],
        "flow": [_retyped(found["flow"], torch.int64)],
        "metric": [
            save_torch({**half, "shared": half["shared"].half()}, {"polarprior": _about(found["metric"]).decode()}),
            save_torch({**half, "reduction": torch.zeros(3, 5)}, {"polarprior": _about(found["metric"]).decode()}),
        ],
        "about_pagan": [json.dumps({**json.loads(found["about_pagan"]), "classes": 0}).encode()],
        "surrogate": [] if entry is None else [entry.read_bytes()],
        "idx": [bytes((0, 0, 8, 1)) + np.array([3], ">u4").tobytes() + bytes(3)],
        "png": [picture.getvalue(), floats.getvalue(), wide.getvalue(), whole.getvalue()],
    }


def _retyped(content: bytes, dtype: torch.dtype) -> bytes:
    return save_torch(
        {name: each.to(dtype) for name, each in load_torch(content).items()},
        {"polarprior": _about(content).decode()},
    )


def _about(content: bytes) -> bytes:
    start = 8 + int.from_bytes(content[:8], "little")
    text: str = json.loads(content[8:start])["__metadata__"]["polarprior"]
    return text.encode()


def _flow() -> bytes:
    noise = torch.Generator().manual_seed(0)
    field = KernelMLPs.initial(2, 2, width=2, layers=1, kernels=1, span=(-1.0, 1.0), noise=noise)
    of = OfModel("toy", "0" * 64, {"trunc": 1.0}, 2, "pixel", "z", 1.0, 1.0, 0.9, "exact", 0.01, "0" * 64)
    path = folder() / "flow.safetensors"
    FlowFile(GeneralisedGaussian.normal(2), field, {"loss": "continuity"}, of_model=of).save(path)
    return path.read_bytes()


def _metric() -> bytes:
    points = Signatures.of(torch.ones(2, 1, 2))
    tried = Tried(None, None, 0.5)
    levels, classes = Levels(torch.eye(2), torch.zeros(2, 2, 2)), torch.tensor([0, 1])
    metric = MultiLevelMetric(1).given(np.array([3, 5]), levels, 1.0, 1.0, points, classes, [tried], tried)
    return MetricFile(metric, "pixel").save(folder() / "metric").read_bytes()


def _pagan() -> bytes:
    recipe = Recipe(size=16, latent_dim=2, width=4, judge_width=4)
    shape = (16, 1)
    networks = {
        "generator": Generator(*shape, 2, 4),
        "encoder": Encoder(*shape, 2, 4, False),
        "of_images": OfImages(*shape, 4, False),
    }
    path = folder() / "pagan.safetensors"
    Model(recipe, *networks.values(), None, {"fid": 1.0}).save(path)
    return path.read_bytes()


def _calibration() -> bytes:
    from polarprior.volume.calibration import Calibration

    return calibration_bytes.to_bytes(
        Calibration(
            torch.eye(2, dtype=torch.float64),
            np.arange(2),
            torch.zeros(2, 1, dtype=torch.float64),
            {"exact": torch.zeros(1)},
            {"exact": (2, 0)},
            {"exact": 0.1},
            1.0,
        )
    )
