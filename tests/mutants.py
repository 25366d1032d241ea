"""Banks damaged by accident or on purpose: what a user may be sent."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from polarprior import Bank
from polarprior.bank import format as bank_format
from polarprior.bank.index import canonical, index_text, read_index
from toys import toy_bank

ROWS = 60


def write_valid(folder: Path) -> None:
    """A bank in one file, the same in three shards, one with classes, and a stranger of the same shape."""
    for name, bank in {
        "one": toy_bank(ROWS, 1.0),
        "classes": toy_bank(ROWS, 1.0, num_classes=4),
        "stranger": toy_bank(ROWS, 1.0, seed=1),
    }.items():
        bank.save(folder / name)
    for name in ("one", "stranger"):
        Bank.open(folder / name).save(folder / f"{name}-sharded", max_shard_size=ROWS * 28 // 3)


def mutate(valid: Path, folder: Path, random: Random) -> tuple[str, Path, Path]:
    """Copy a valid bank to an empty folder and change something: (what was done, the bank, what it was)."""
    name, kinds = random.choice([("one", ONE_FILE), ("classes", ONE_FILE), ("one-sharded", SHARDED)])
    for file in valid.glob(f"{name}[.-]*"):
        if name != "one" or "sharded" not in file.name:
            shutil.copy(file, folder)
    kind = random.choice(kinds)
    kind(folder, valid, name, random)
    suffix = ".safetensors.index.json" if name == "one-sharded" else ".safetensors"
    return kind.__name__, folder / (name + suffix), valid / (name + suffix)


def a_file(folder: Path, random: Random) -> Path:
    return random.choice(sorted(folder.iterdir()))


def change_bytes(folder: Path, _: Path, name: str, random: Random) -> None:
    file = a_file(folder, random)
    content = bytearray(file.read_bytes())
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(content) if random.random() < 0.5 else min(1500, len(content)))
        content[at] ^= 1 << random.randrange(8)
    file.write_bytes(content)


def change_length(folder: Path, _: Path, name: str, random: Random) -> None:
    file = a_file(folder, random)
    content = file.read_bytes()
    cut = content[: random.randrange(len(content))]
    file.write_bytes(
        random.choice([cut, content + bytes(random.randint(1, 99)), cut + bytes(len(content) - len(cut))])
    )


def lie_about_the_header(folder: Path, _: Path, name: str, random: Random) -> None:
    file = random.choice(sorted(folder.glob("*.safetensors")))
    content = file.read_bytes()
    size = random.choice([0, 1, 2**63 - 1, 2**64 - 1, 2**31, 100_000_000, len(content), random.randrange(2000)])
    file.write_bytes(size.to_bytes(8, "little") + content[8:])


def rewrite_header(folder: Path, _: Path, name: str, random: Random) -> None:
    """Entries as nobody writes them, in a file that is otherwise sound."""
    file = random.choice(sorted(folder.glob("*.safetensors")))
    content = file.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :]
    entry = random.choice([key for key in header if key != "__metadata__"])
    huge = random.choice([2**40, 2**63 - 1, 2**64, -1, -(2**40), 1.5, None, "1", True, [1]])
    changes: list[Callable[[], Any]] = [
        lambda: header[entry].update(shape=[huge]),
        lambda: header[entry].update(shape=[huge, huge]),
        lambda: header[entry].update(shape=[0]),
        lambda: header[entry].update(shape=[1] * 100_000),
        lambda: header[entry].update(data_offsets=[huge, huge]),
        lambda: header[entry].update(data_offsets=[-8, 472]),
        lambda: header[entry].update(data_offsets=[0, len(data)]),
        lambda: header[entry].update(
            dtype=random.choice(["F64", "I32", "BF16", "BOOL", "F8_E4M3", "evil", "", None])
        ),
        lambda: header.update(
            {entry: random.choice([None, [], 3, {}, {"dtype": "I64"}, list(header[entry].values())])}
        ),
        lambda: header.pop(entry),
        lambda: header.update(extra=header[entry]),
        lambda: header.update({"x" * 100_000: header[entry]}),
        lambda: header.pop("__metadata__"),
        lambda: header.update(
            __metadata__=random.choice([None, [], {}, {"polarprior": 3}, {"polarprior": "{}", "b": ""}])
        ),
    ]
    random.choice(changes)()
    text = json.dumps(header).encode()
    if random.random() < 0.1:
        text = text[:-1] + b', "seeds": ' + json.dumps(header.get("seeds")).encode() + b"}"
    if random.random() < 0.05:
        text = random.choice([b"[" * 10**6, b'{"a":' * 10**5, b"\xff" * 100, b'"' + b"x" * 10**6 + b'"'])
    file.write_bytes(len(text).to_bytes(8, "little") + text + data)


def rewrite_metadata(folder: Path, _: Path, name: str, random: Random) -> None:
    """Metadata that another program might have written."""
    file = random.choice(sorted(folder.glob("*.safetensors")))
    content = file.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :]
    values = json.loads(header["__metadata__"]["polarprior"])
    field = random.choice(sorted(values))
    values[field] = random.choice(
        [None, -1, 0, 2**70, 1e308, "", "x" * 10**5, [], {}, [2**40] * 9, {"a": {}}, "\x1b[31m"]
    )
    if random.random() < 0.2:
        values.pop(field)
    if random.random() < 0.3 and isinstance(values.get("estimator"), dict):
        name = random.choice(["name", "tolerance", "error", "offset", "spearman", "audited", "holds", "a\nb", "\x1b"])
        values["estimator"][name] = random.choice([10**400, -(10**400), 1e308, True, "", "x\ny", None, [], {}])
        if random.random() < 0.5:
            values["estimator"].pop(random.choice(sorted(values["estimator"])))
    header["__metadata__"]["polarprior"] = random.choice([canonical(values), json.dumps(values), "[" * 10**5])
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + data)


def forge_contents(folder: Path, _: Path, name: str, random: Random) -> None:
    """Contents that can't be right, with a digest that is: of somebody who knows the format."""
    file = random.choice(sorted(folder.glob("*.safetensors")))
    opened = bank_format.read(file)
    columns = {name: np.array(array) for name, array in opened.columns.items()}
    values, row = columns["log_singular_values"], random.randrange(opened.rows)
    forgeries: list[Callable[[], Any]] = [
        lambda: values.__setitem__((row, random.randrange(3)), random.choice([np.nan, np.inf])),
        lambda: values.__setitem__(row, values[row, ::-1]),
        lambda: columns["seeds"].__setitem__(row, random.choice([-1, 2**32, -(2**63), 2**62])),
        lambda: [array.__setitem__(row, array[row - 1]) for array in columns.values()],
        lambda: columns.get("labels", columns["seeds"]).__setitem__(row, random.choice([-1, 2**40])),
    ]
    random.choice(forgeries)()
    info = replace(opened.info, digest=bank_format.digest(opened.info, columns))
    bank_format.write_to(file, bank_format.BankFile(None, info, opened.rows, columns))
    if index := next(folder.glob("*.json"), None):
        info, shards = read_index(index)
        shards = [replace(each, digest=bank_format.read(folder / each.file).info.digest) for each in shards]
        index.write_text(index_text(info, shards))


def swap_shards(folder: Path, valid: Path, name: str, random: Random) -> None:
    """Two of the same bank, or one of another with the same shape."""
    first, second = random.sample(sorted(folder.glob("*.safetensors")), 2)
    place = second.name.removeprefix("one-").rpartition("-")[0]
    (stranger,) = valid.glob(f"stranger-{place}-*.safetensors")
    content = random.choice([second, stranger]).read_bytes()
    if random.random() < 0.5:
        second.write_bytes(first.read_bytes())
    first.write_bytes(content)


def lose_a_shard(folder: Path, _: Path, name: str, random: Random) -> None:
    file = random.choice(sorted(folder.glob("*.safetensors")))
    file.unlink()
    if random.random() < 0.3:
        file.mkdir()
    elif random.random() < 0.3:
        os.mkfifo(file)


def link_a_shard(folder: Path, valid: Path, name: str, random: Random) -> None:
    """A link to a file outside, sound as it may be, or to nowhere, or to itself."""
    file = random.choice(sorted(folder.glob("*.safetensors")))
    file.unlink()
    file.symlink_to(random.choice([valid / file.name, Path("/etc/passwd"), Path("/dev/zero"), file, Path("nowhere")]))


def name_another_file(folder: Path, valid: Path, name: str, random: Random) -> None:
    """An index, with a digest that is right, which names files where none should be read."""
    index = next(folder.glob("*.json"))
    info, shards = read_index(index)
    at = random.randrange(len(shards))
    names = [
        str(valid / shards[at].file),
        f"../{valid.name}/{shards[at].file}",
        "..",
        ".",
        "",
        "/dev/zero",
        "a\0b",
        index.name,
    ]
    names += [
        "..\\x",
        "C:\\x",
        "x" * 300,
        "/etc/passwd",
        f"./{shards[at].file}",
        shards[at - 1].file,
        "\ud800",
        "-",
        "~",
    ]
    names += ["é" * 200, "a\nb.safetensors", "\x1b[31m"]
    changed: Any = random.choice(names) if random.random() < 0.8 else random.choice([None, 3, [], {}])
    shards[at] = replace(shards[at], file=changed)
    index.write_bytes(index_text(info, shards).encode(errors="replace"))


def rewrite_index(folder: Path, _: Path, name: str, random: Random) -> None:
    index = next(folder.glob("*.json"))
    values = json.loads(index.read_text())
    deep: list[Any] = []
    for _ in range(900):
        deep = [deep]
    odd = random.choice([None, -1, 0, 2**70, True, "", [], {}, "x" * 10**5, 1e308])
    changes: list[Callable[[], Any]] = [
        lambda: values.update(shards=odd),
        lambda: values.update(metadata=odd),
        lambda: values.update(extra=odd),
        lambda: values["metadata"].update(polarprior=odd),
        lambda: values["metadata"].update(total_size=odd),
        lambda: random.choice(values["shards"]).update(rows=odd),
        lambda: random.choice(values["shards"]).update(digest=random.choice([odd, float("nan"), deep, "g" * 64])),
        lambda: values.update(shards=[{}] * 300_000),
        lambda: random.choice(values["shards"]).update(extra=odd),
        lambda: values["shards"].pop(),
        lambda: values["shards"].reverse(),
        lambda: values["shards"].extend(values["shards"] * random.choice([1, 1000])),
    ]
    random.choice(changes)()
    index.write_text(json.dumps(values, sort_keys=True, separators=random.choice([(",", ":"), None])))


def inflate(folder: Path, _: Path, name: str, random: Random) -> None:
    """A gigabyte of nothing, or of brackets, in the place of a file."""
    file = a_file(folder, random)
    file.write_bytes(random.choice([b"", b"[" * 10**6, file.read_bytes()]))
    os.truncate(file, 2**30)


ONE_FILE = [
    change_bytes,
    change_length,
    lie_about_the_header,
    rewrite_header,
    rewrite_metadata,
    forge_contents,
    inflate,
]
SHARDED = [*ONE_FILE, swap_shards, lose_a_shard, link_a_shard, name_another_file, rewrite_index]
