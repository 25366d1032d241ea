"""Has anything moved for users? Two commits build banks, draw, and run and patch a stock script: the same bytes?

    python benchmarks/unmoved.py [--before 686a659] [--after HEAD] [--vendor FOLDER] [--keep FOLDER]

Each commit is installed with all its distributions, under one version number, into an environment of its own, beside
what the current one has of other distributions. Both run the same commands in folders of their own. What a command
prints, its exit code and every file that it writes are compared, and so is every --help. Then the later commit goes
on from what the earlier one built: its banks, and its patched checkout. Exit code 1 where a file differs, or words
that CHANGED doesn't name. --vendor, by default POLARPRIOR_VENDOR, is a folder with a checkout of NVlabs/stylegan3;
without one the stock script is left out. About 10 minutes on two cores.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from sysconfig import get_path
from typing import NamedTuple

REPOSITORY = Path(__file__).parent.parent
STYLE = "polarprior sample stylegan3:net.pkl --bank style.safetensors --polarity=-0.3 --seeds 0-7 --force --out style"
WORDS, OPTIONS = "help texts begin with the thing", "errors and warnings name the option as it is typed"
CHANGED = {
    "polarprior bank refit --help": "caches live in the user's cache folder alone",
    "polarprior modes --help": WORDS,
    "polarprior score --help": WORDS,
    "polarprior train boltzmann --help": WORDS,
    "polarprior train ground-metric --help": WORDS,
    "polarprior train pagan --help": WORDS,
    **dict.fromkeys(
        ("polarprior generate --help", "polarprior run --help", "polarprior sample --help"), "--joint is there"
    ),
    "polarprior doctor": "it says whether stock scripts take --polarity",
    "polarprior plugins": "plugins that train answer register_training, and those of models their three hooks",
    "polarprior bank info missing.safetensors": OPTIONS,
    "polarprior sample mnist:wgn --seeds 0": OPTIONS,
    "polarprior sample mnist:wgan --bank wgan.safetensors --polarity=-0.1 --seeds 0 --class 3": OPTIONS,
    "polarprior bank build mnist:wgan -n 10 --trunc 0.5 --out refused.safetensors": OPTIONS,
    "polarprior bank build stylegan3:net.pkl -n 64 -k 8 --trunc 0.7 --out style.safetensors": OPTIONS,
    "polarprior bank verify style.safetensors --model stylegan3:net.pkl": OPTIONS,
    STYLE: OPTIONS,
}
"""{command: why it doesn't say what it said}: differences that are meant. None of them covers a file."""

BUILDS = (
    "polarprior demo --out demo",
    "polarprior bank build mnist:wgan -n 1000 -k 10 --out wgan.safetensors",
)
USES = (
    "polarprior plugins",
    "polarprior doctor",
    "polarprior demo --out ./demo",
    "polarprior bank verify demo/bank.safetensors --model dcgan-faces",
    "polarprior bank info demo/bank.safetensors",
    "polarprior bank top demo/bank.safetensors",
    "polarprior sample dcgan-faces --polarity=-0.05 --seeds 0-7 --out own",
    "polarprior sample dcgan-faces --bank demo/bank.safetensors --polarity=-0.05 --seeds 0-7 --out faces",
    "polarprior sample dcgan-faces --bank demo/bank.safetensors --polarity=-0.05 --seeds 0-3 --sampler online"
    " --out fresh-faces",
    "polarprior score dcgan-faces --bank demo/bank.safetensors --seeds 510-513",
    "polarprior bank verify wgan.safetensors --model mnist:wgan",
    "polarprior bank info wgan.safetensors --json",
    "polarprior bank top wgan.safetensors --json",
    "polarprior seeds wgan.safetensors --polarity=-0.2 -n 40",
    "polarprior sample mnist:wgan --bank wgan.safetensors --polarity=-0.2 --seeds 0-15 --out digits",
    "polarprior sample mnist:wgan --bank wgan.safetensors --polarity=0.3 --seeds 0-9 --support shell --npz shell.npz",
    "polarprior sample mnist:wgan --bank wgan.safetensors --polarity=-0.2 --seeds 0-15 --sampler online"
    " --out fresh-digits",
    "polarprior score mnist:wgan --bank wgan.safetensors --seeds 990-1009 --sheet sheet.png",
    "polarprior modes mnist:wgan --bank wgan.safetensors -n 4 --out modes",
    # What is refused, in the same words.
    "polarprior bank info missing.safetensors",
    "polarprior sample mnist:wgn --seeds 0",
    "polarprior sample mnist:wgan --bank demo/bank.safetensors --polarity=-0.1 --seeds 0",
    "polarprior sample mnist:wgan --bank wgan.safetensors --polarity=-5 --seeds 0",
    "polarprior sample mnist:wgan --bank wgan.safetensors --polarity=-0.1 --seeds 0 --class 3",
    "polarprior bank build mnist:wgan -n 10 --trunc 0.5 --out refused.safetensors",
)
DRAW = "--network=net.pkl --trunc=0.7 --seeds=0-7"
STOCK_BUILDS = (
    "python -m polarprior_stylegan2.small stylegan3 net.pkl --resolution 16",
    "polarprior bank build stylegan3:net.pkl -n 64 -k 8 --trunc 0.7 --out style.safetensors",
    "polarprior patch clone",
)
STOCK_USES = (
    "polarprior bank verify style.safetensors --model stylegan3:net.pkl",
    STYLE,
    f"python clone/gen_images.py {DRAW} --outdir=patched --polarity=-0.3 --bank=style.safetensors --force",
    "polarprior patch clone --revert",
    f"polarprior run clone/gen_images.py {DRAW} --outdir=run --polarity=-0.3 --bank=style.safetensors --force",
    f"polarprior run clone/gen_images.py {DRAW} --outdir=plain",
)
OLD = "on the old banks: "
LEFT_OUT = re.compile(r"\.log\.jsonl$|\.pkl$|\.cache/|(^|/)(\.git|__pycache__)/")
"""Files that say when; caches, signed with each user's own key; and pickles of the stock classes, which are never
twice the same: their banks are compared, which hold a fingerprint of the weights."""
PICKLE = re.compile("sha256 is [0-9a-f]{64}")
NUMBER = re.compile(r'^((?:__)?version(?:__)? = "?)(\d+(?:\.\d+)*)', re.MULTILINE)
SEEN = (
    "import polarprior; from importlib.metadata import distributions; print(polarprior.__file__, "
    "*sorted(str(each._path) for each in distributions() if each.name.startswith('polarprior')), sep='\\n')"
)


class Outcome(NamedTuple):
    """What a command came to: its exit code with what it printed, and the files that it wrote, changed or removed."""

    said: str
    files: dict[str, bytes]

    @property
    def size(self) -> int:
        return len(self.said.encode()) + sum(map(len, self.files.values()))


class Install:
    """A commit as its users have it, in `root`: an environment, and the folders in which commands are run."""

    def __init__(self, name: str, commit: str, root: Path, version: str | None = None):
        self.name, self.root, tree = name, root, root / "source"
        tree.mkdir(parents=True)
        archive = subprocess.run(["git", "archive", commit], cwd=REPOSITORY, stdout=subprocess.PIPE, check=True)
        subprocess.run(["tar", "x"], cwd=tree, input=archive.stdout, check=True)
        ours = [*sorted(tree.rglob("setup.cfg")), *tree.rglob("polarprior*/**/*.py")]
        self.version = version or next(found[2] for file in ours if (found := NUMBER.search(file.read_text())))
        for file in ours:
            file.write_text(NUMBER.sub(rf"\g<1>{self.version}", file.read_text()))
        self.install([*sorted(file.parent for file in tree.glob("**/setup.cfg"))])

    def install(self, folders: list[Path]) -> None:
        """Into an environment that has all that the current one has, but of ours the distributions in `folders`."""
        venv.create(self.root / "env")
        (site,) = (self.root / "env/lib").glob("python*/site-packages")
        for entry in {entry for kind in ("purelib", "platlib") for entry in Path(get_path(kind)).iterdir()}:
            if not entry.name.startswith(("polarprior", "__")):
                (site / entry.name).symlink_to(entry)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", site]
        own = ["--no-build-isolation"] if find_spec("setuptools") else []
        subprocess.run([*map(str, pip), *own, *map(str, folders)], check=True)
        seen = self.python("-c", SEEN, folder=self.root).stdout.splitlines()
        if len(seen) != 1 + len(folders) or not all(Path(path).is_relative_to(site) for path in seen):
            sys.exit(f"{self.name}: {len(folders)} distributions were installed in {site}, and seen: {seen}")
        print(f"{self.name}: version {self.version}, {len(folders)} distributions", file=sys.stderr, flush=True)

    def python(self, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Its python, run in `folder`."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "POLARPRIOR"))}
        own = {"XDG_CACHE_HOME": f"{folder}.cache", "POLARPRIOR_VENDOR": str(folder / "clone"), "COLUMNS": "80"}
        return subprocess.run(
            [self.root / "env/bin/python", *words],
            cwd=folder, env={"OMP_NUM_THREADS": "1", **kept, **own}, capture_output=True, text=True,
        )  # fmt: skip

    def run(self, command: str, folder: Path) -> Outcome:
        """A command in `folder`, which holds what those before it left there."""
        began, before = time.perf_counter(), contents(folder)
        first, *words = shlex.split(command)
        done = self.python(*([] if first == "python" else ["-m", "polarprior.cli"]), *words, folder=folder)
        lines = re.split(r"[\r\n]+", done.stderr)
        printed = "\n".join(line for line in lines if line.strip() and not re.search(r"\d%\|", line))
        said = f"exit code {done.returncode}\n{done.stdout}{printed}\n"
        said = PICKLE.sub("sha256 is ...", said.replace(str(folder), "FOLDER").replace(str(self.root), "ROOT"))
        after = contents(folder)
        changed = {name: after.get(name, b"") for name in before | after if before.get(name) != after.get(name)}
        print(f"{self.name}: {command} ({time.perf_counter() - began:.0f} s)", file=sys.stderr, flush=True)
        return Outcome(said, changed)

    def helps(self, command: str = "polarprior") -> dict[str, Outcome]:
        """{command --help: what it says}, of a command and of all below it."""
        said = {f"{command} --help": self.run(f"{command} --help", self.root / "empty")}
        _, _, listed = said[f"{command} --help"].said.partition("\nCommands:\n")
        for name in re.findall(r"^  (\S+)", listed, re.MULTILINE):
            said |= self.helps(f"{command} {name}")
        return said

    def everything(self, builds: tuple[str, ...], uses: tuple[str, ...], checkout: Path | None) -> dict[str, Outcome]:
        """{command: what it came to}; what the builds left is kept in `built`."""
        (self.root / "empty").mkdir()
        work = self.root / "work"
        work.mkdir()
        if checkout is not None:
            subprocess.run(["git", "clone", "--quiet", checkout.resolve(), work / "clone"], check=True)
        said = self.helps() | {command: self.run(command, work) for command in builds}
        shutil.copytree(work, self.root / "built")
        return said | {command: self.run(command, work) for command in uses}

    def on_what_was_built(self, other: Install, uses: tuple[str, ...]) -> dict[str, Outcome]:
        """{command: what it came to} on the banks and the checkout of another commit."""
        shutil.copytree(other.root / "built", self.root / "old")
        return {command: self.run(command, self.root / "old") for command in uses}


def contents(folder: Path) -> dict[str, bytes]:
    """{name: bytes} of the files that are compared."""
    files = {str(file.relative_to(folder)): file for file in folder.rglob("*") if file.is_file()}
    return {name: file.read_bytes() for name, file in files.items() if not LEFT_OUT.search(name)}


def readable(name: str, data: bytes) -> list[str]:
    """Lines that tell one file from another: its text, the header of a bank, or a digest."""
    if name.endswith(".safetensors") and data:
        end = 8 + int.from_bytes(data[:8], "little")
        header = json.dumps(json.loads(data[8:end]), indent=1).splitlines()
        return [*header, f"data: {hashlib.sha256(data[end:]).hexdigest()}"]
    try:
        return data.decode().splitlines()
    except UnicodeDecodeError:
        return [hashlib.sha256(data).hexdigest()]


def compare(what: str, before: Outcome | None, after: Outcome | None) -> bool:
    """Print a row, and what differs, if anything does: whether that is nothing, or words that are meant to."""
    before, after = before or Outcome("", {}), after or Outcome("", {})
    reason = CHANGED.get(what.removeprefix(OLD)) if before.files == after.files else None
    verdict = "same" if before == after else f"changed ({reason})" if reason else "DIFFERS"
    print(f"{verdict:<8} {len(after.files):>3} files {after.size:>8} bytes  {what}", flush=True)
    pairs = {"what it says": (before.said.splitlines(), after.said.splitlines())}
    for name in sorted(before.files | after.files):
        pairs[name] = (readable(name, before.files.get(name, b"")), readable(name, after.files.get(name, b"")))
    for name, (old, new) in pairs.items():
        for line in difflib.unified_diff(old, new, f"before: {name}", f"after: {name}", lineterm="", n=1):
            print("    " + line[:200])
    return before == after or reason is not None


def main() -> None:
    """Both commits, each on a core of its own; then the later one on the banks of the earlier."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", default="686a659", help="commit (686a659)")
    parser.add_argument("--after", default="HEAD", help="commit (HEAD)")
    parser.add_argument("--vendor", help="folder with a checkout of NVlabs/stylegan3 (POLARPRIOR_VENDOR)")
    parser.add_argument("--keep", type=Path, help="new folder in which all that is made is left")
    options = parser.parse_args()
    vendor = options.vendor or os.environ.get("POLARPRIOR_VENDOR")
    checkout = next((file.parent for file in sorted(Path(vendor).glob("*/gen_images.py"))), None) if vendor else None
    root = (options.keep or Path(tempfile.mkdtemp(prefix="unmoved-"))).resolve()
    before = Install("before", options.before, root / "before")
    after = Install("after", options.after, root / "after", before.version)
    builds, uses = (BUILDS + STOCK_BUILDS, USES + STOCK_USES) if checkout else (BUILDS, USES)
    with ThreadPoolExecutor(2) as pool:
        old, new = pool.map(lambda each: each.everything(builds, uses, checkout), (before, after))
    same = [compare(what, old.get(what), new.get(what)) for what in old | new]
    on_old = after.on_what_was_built(before, uses)
    same += [compare(f"{OLD}{what}", old[what], outcome) for what, outcome in on_old.items()]
    for what in () if checkout else STOCK_BUILDS + STOCK_USES:
        why = f"no checkout of NVlabs/stylegan3 in {vendor}" if vendor else "no checkout named"
        print(f"skipped: {why}  {what}")
    print(f"{sum(same)} of {len(same)} rows are the same, or say other words as is meant")
    if options.keep is None:
        shutil.rmtree(root)
    sys.exit(not all(same))


if __name__ == "__main__":
    main()
