"""A reader of banks that knows no polarprior: written from docs/bank-format.md, with numpy and json alone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

COLUMNS = {"seeds": "I64", "latent_hash": "I64", "log_singular_values": "F32", "labels": "I64"}
TYPES = {"I64": np.dtype("<i8"), "F32": np.dtype("<f4")}
FIELDS = {
    "format", "plugin", "plugin_version", "fingerprint", "prior", "latent_shape", "num_classes", "domain", "space",
    "settings", "k", "estimator", "dtype", "torch", "licence", "stock_seeds", "shard", "digest",
}  # fmt: skip


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def metadata_of(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    assert set(found) == FIELDS
    assert found["format"] == "polarprior-bank/1"
    assert canonical(found) == text
    return found


def read_file(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Metadata and columns of one file."""
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    about = header.pop("__metadata__")
    assert set(about) == {"polarprior"}
    metadata = metadata_of(about["polarprior"])
    assert set(header) == set(COLUMNS) - ({"labels"} if metadata["num_classes"] is None else set())
    columns = {}
    for name, entry in header.items():
        assert entry["dtype"] == COLUMNS[name]
        first, stop = entry["data_offsets"]
        columns[name] = np.frombuffer(content[start + first : start + stop], TYPES[entry["dtype"]])
        columns[name] = columns[name].reshape(entry["shape"])
    assert columns["log_singular_values"].shape[1:] == (metadata["k"],)
    digest = hashlib.sha256(canonical({**metadata, "digest": ""}).encode())
    for name in sorted(columns):
        digest.update(f"{name}:{columns[name].shape};".encode() + columns[name].tobytes())
    assert digest.hexdigest() == metadata["digest"]
    return metadata, columns


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Metadata and columns of a bank, by its file or its index."""
    if not path.name.endswith(".index.json"):
        metadata, columns = read_file(path)
        assert metadata["shard"] == ""
        return metadata, columns
    text = path.read_text()
    index = json.loads(text)
    assert canonical(index) == text
    metadata, lines = metadata_of(index["metadata"]["polarprior"]), index["shards"]
    whole = canonical({**metadata, "digest": "", "shard": ""}) + canonical(lines)
    assert hashlib.sha256(whole.encode()).hexdigest() == metadata["digest"]
    parts = []
    for number, line in enumerate(lines, 1):
        own, columns = read_file(path.with_name(line["file"]))
        assert own == {**metadata, "digest": line["digest"], "shard": f"{number:05d}-of-{len(lines):05d}"}
        assert len(columns["seeds"]) == line["rows"]
        parts.append(columns)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    assert sum(column.nbytes for column in joined.values()) == index["metadata"]["total_size"]
    return metadata, joined


def log_volume(columns: dict[str, np.ndarray]) -> np.ndarray:
    values: np.ndarray = columns["log_singular_values"].sum(1, dtype=np.float64)
    return values
