"""A bank's metadata: what it was made from, and how."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, fields
from typing import Any

from polarprior.errors import BankError
from polarprior.foreign import foreign_json
from polarprior.settings import Settings

FORMAT = "polarprior-bank/1"
METADATA_LIMIT = 1 << 20


@dataclass(frozen=True)
class BankInfo:
    """What a bank is valid for, and how it was made. Stored as canonical JSON.

    Attributes:
        format: `FORMAT`.
        plugin, plugin_version: of the model plugin that built it.
        fingerprint: sha256 of the model's weights.
        prior: name of the latent prior.
        latent_shape: shape of a latent.
        num_classes: of a class-conditional model, else None.
        domain, space: where the Jacobian was taken.
        settings: truncation, temperature, noise mode, and what the plugin has of its own.
        k: singular values a row.
        estimator: its name, tolerance and error of the log-volume (both nats), and the rest of its audit, see
            `polarprior.volume.audit.Audit`.
        dtype: of the network when the Jacobians were taken.
        torch: version of torch; byte identity of two builds needs the same one.
        licence: of the checkpoint, as its authors state it.
        digest: sha256 over a file's metadata and tensors, see `polarprior.bank.format.digest`; of a bank in
            shards, over its metadata and the shards' digests.
        shard: ``00002-of-00003`` in the metadata of a shard, else empty.
        stock_seeds: a stock script takes the seeds, see `polarprior.generator.LatentPrior`.
    """

    plugin: str
    plugin_version: str
    fingerprint: str
    prior: str
    latent_shape: tuple[int, ...]
    num_classes: int | None
    domain: str
    space: str
    settings: Settings
    k: int
    estimator: dict[str, Any]
    dtype: str
    torch: str
    licence: str
    digest: str = ""
    shard: str = ""
    stock_seeds: bool = True
    format: str = FORMAT

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces."""
        values = {**vars(self), "settings": self.settings.to_dict()}
        return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)

    def accuracy(self) -> str:
        """What the audit of the bank's log-volumes has shown, as a sentence."""
        found = self.estimator
        exact = found.get("name") == "exact"
        if exact:
            text = ""
        elif found.get("holds") is True:
            text = f": error below {found['tolerance']} nats for at least 99% of latents, with 95% confidence"
        else:
            text = f": largest error {found.get('error', 0.0):.3g} nats, tolerance {found['tolerance']}"
        if "audited" in found and not exact:
            text += f" ({found['audited']} latents solved exactly)"
        if "spearman" in found:
            text += f"; Spearman with the full log-volume {found['spearman']:.4f}"
        return f"{found['name']}{text}"

    @classmethod
    def from_json(cls, text: str) -> BankInfo:
        """Read untrusted JSON; BankError where it isn't a bank's metadata."""
        if len(text) > METADATA_LIMIT:
            raise _not_a_bank(f"metadata of {len(text)} characters")
        try:
            values = foreign_json(text)
        except ValueError as error:
            raise _not_a_bank(f"metadata that can't be read: {error}") from error
        if not isinstance(values, dict):
            raise _not_a_bank("metadata that isn't a JSON object")
        if values.get("format") != FORMAT:
            raise BankError(
                f"bank: format is {str(values.get('format'))[:40]!r}, expected {FORMAT!r}",
                "build it again with this version: polarprior bank build",
            )
        known = {field.name for field in fields(cls)}
        if set(values) != known:
            odd = sorted(set(values) ^ known)
            raise _not_a_bank(f"metadata with missing or unknown fields: {', '.join(odd)[:80]}")
        for name, is_valid in _checked_fields(values).items():
            if not is_valid:
                raise _not_a_bank(f"metadata field {name!r} of the wrong type or out of range")
        try:
            settings = Settings.from_dict(values["settings"])
        except ValueError as error:
            raise _not_a_bank(f"metadata: {error}") from error
        info = cls(**{**values, "latent_shape": tuple(values["latent_shape"]), "settings": settings})
        try:
            canonical = info.to_json() == text
        except ValueError:  # NaN or infinity somewhere inside
            canonical = False
        if not canonical:
            raise _not_a_bank("metadata that isn't canonical JSON")
        return info


_TEXTS = (
    "plugin",
    "plugin_version",
    "fingerprint",
    "prior",
    "domain",
    "space",
    "dtype",
    "torch",
    "licence",
    "digest",
    "shard",
)


def _checked_fields(values: dict[str, Any]) -> dict[str, bool]:
    """Whether each field of untrusted metadata holds what it should, but for the settings."""
    shape = values["latent_shape"]
    return {
        **{name: isinstance(values[name], str) for name in _TEXTS},
        "stock_seeds": isinstance(values["stock_seeds"], bool),
        "k": _counts(values["k"]),
        "num_classes": values["num_classes"] is None or _counts(values["num_classes"]),
        "latent_shape": isinstance(shape, list) and bool(shape) and all(map(_counts, shape)),
        "estimator": _describes_estimator(values["estimator"]),
    }


def _counts(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**40


def _describes_estimator(value: Any) -> bool:
    if not isinstance(value, dict) or not all(map(_is_scalar, [*value, *value.values()])):
        return False
    numbers = (value.get(name, 0.0) for name in ("error", "offset", "spearman", "audited"))
    return isinstance(value.get("name"), str) and all(map(_is_number, [value.get("tolerance"), *numbers]))


def _is_scalar(value: Any) -> bool:
    return _is_number(value) or isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max


def _not_a_bank(what: str) -> BankError:
    return BankError(f"bank: {what}", "the file is no bank, or is damaged: polarprior bank build makes one")
