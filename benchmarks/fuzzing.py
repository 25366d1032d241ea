"""Files that nobody meant: readers fuzzed with coverage, by atheris.

    pip install atheris
    python benchmarks/fuzzing.py [--seconds 180] [--only TARGET] [--corpus FOLDER] [--json FILE]
    python benchmarks/fuzzing.py --keep, then --cover --json FILE

Each target of `tests/fuzz_targets.py` is fed for so many seconds in a process of its own, which may take 300 MB more
than it has at the start, and 10 seconds an input. What it comes upon is kept in FOLDER/TARGET; `--keep` makes
`tests/fuzz_corpus` of it, the fewest files that reach the same code, which `tests/test_fuzz_corpus.py` replays;
`--cover` says which lines of the readers these reach.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
KEPT = TESTS / "fuzz_corpus"
MORE_MB = 300
SECONDS_AN_INPUT = 10
LARGEST = 1 << 16
OURS = ["polarprior", "polarprior_boltzmann", "polarprior_ground_metric", "polarprior_pagan", "polarprior_training"]
READERS: dict[str, tuple[str, ...]] = {
    "polarprior.foreign": ("Foreign", "foreign_json", "without_doubles", "_typed"),
    "polarprior.settings": ("from_dict", "_is_number"),
    "polarprior.bank.info": ("from_json", "_checked_fields", "_counts", "_describes_estimator", "_is_scalar"),
    "polarprior.bank.format": ("read", "_header", "_checked_rows"),
    "polarprior.bank.index": ("open_files", "_entry", "_open", "_open_shards", "read_index", "_is_plain"),
    "polarprior.bank.contents": ("checked_log_volume", "_checked_block", "_damaged"),
    "polarprior.bank.column": ("__getitem__", "_check"),
    "polarprior.bank.cache": ("get",),
    "polarprior.surrogate.surrogate": ("from_arrays",),
    "polarprior.building.parts": ("calibration", "check", "_stored_plan"),
    "polarprior.building.plan": ("difference", "_flat"),
    "polarprior.building.calibration_bytes": ("from_bytes",),
    "polarprior.images.idx": ("read_idx", "_read"),
    "polarprior.images.cifar": ("read_cifar",),
    "polarprior.images.expanding": ("check_expands",),
    "polarprior.images.reference": ("pixels", "_eight_bits", "_Zip", "_opened", "_of_idx", "_images_of_npz"),
    "polarprior_training.described_file": ("read_described", "open_described"),
    "polarprior_boltzmann.flow_file": ("check", "_made", "_check", "_field"),
    "polarprior_ground_metric.metric_file": ("_made", "_labels", "_check_matrices"),
    "polarprior_pagan.model_file": ("_made",),
}  # fmt: skip
"""What reads files of others: modules, and their functions and classes."""
sys.path.insert(0, str(TESTS))


def one(target: str, words: list[str]) -> None:
    """Fuzz a target in this process, until libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=OURS):
        import fuzz_targets
    os.environ["POLARPRIOR_CACHE"] = str(fuzz_targets.folder() / "cache")
    run = fuzz_targets.TARGETS[target]
    run(fuzz_targets.seeds()[target])
    now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    atheris.Setup([sys.argv[0], f"-rss_limit_mb={now + MORE_MB}", *words], run)
    atheris.Fuzz()


def fuzzed(target: str, corpus: Path, seconds: int) -> tuple[int, dict[str, int], str]:
    """Executions; crashes, hangs and inputs that took too much memory; the last line of what was said."""
    import fuzz_targets

    corpus.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate((fuzz_targets.seeds()[target], *fuzz_targets.crafted().get(target, ()))):
        (corpus / f"seed-{number}").write_bytes(content)
    findings = corpus.parent / f"{target}-findings"
    findings.mkdir(exist_ok=True)
    earlier = {each.name for each in findings.iterdir()}  # of another run, which may be mended since
    tokens = corpus.parent / "tokens"
    words = set(re.findall(rb"[A-Za-z_]{3,}", b"".join(fuzz_targets.seeds().values())))
    tokens.write_text("".join(f'"{word.decode()}"\n' for word in sorted(words)[:500]))
    began, executions, said, new = time.monotonic(), 0, "", list[str]()
    while (left := seconds - (time.monotonic() - began)) > 2:  # a finding ends the process: go on
        done = subprocess.run(
            [
                sys.executable, __file__, "--one", target, str(corpus), f"-max_total_time={int(left)}",
                f"-timeout={SECONDS_AN_INPUT}", f"-max_len={LARGEST}", f"-artifact_prefix={findings}/",
                f"-dict={tokens}", "-print_final_stats=1",
            ],
            capture_output=True, text=True, errors="replace",
        )  # fmt: skip
        runs = re.findall(r"number_of_executed_units: *(\d+)", done.stderr)
        executions += int(runs[-1]) if runs else 0
        said = (re.findall(r"^ === .*\n(?:.*\n)*?(\w+(?:Error|Exception).*)$", done.stderr, re.M) or [said])[-1]
        new = [each.name for each in findings.iterdir() if each.name not in earlier]
        if len(new) > 20:
            break
    found = {kind: sum(name.startswith(f"{kind}-") for name in new) for kind in ("crash", "timeout", "oom")}
    return executions, found, said


def keep(target: str, corpus: Path) -> int:
    """Make the fewest files of a corpus that reach the same jumps of our code the ones that are replayed, the
    smallest first; how many they are."""
    import coverage
    import fuzz_targets

    folder, run = KEPT / target, fuzz_targets.TARGETS[target]
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    findings = corpus.parent / f"{target}-findings"
    files = [each for each in (*corpus.iterdir(), *findings.iterdir()) if each.stat().st_size < LARGEST]
    reached: set[tuple[str, tuple[int, int]]] = set()
    for file in sorted(files, key=lambda each: (each.stat().st_size, each.name)):
        found = coverage.Coverage(data_file=None, source_pkgs=OURS, branch=True)
        found.start()
        run(file.read_bytes())
        found.stop()
        data = found.get_data()
        arcs = {(name, arc) for name in data.measured_files() for arc in data.arcs(name) or ()}
        if arcs - reached:
            reached |= arcs
            (folder / hashlib.sha256(file.read_bytes()).hexdigest()[:12]).write_bytes(file.read_bytes())
    return len(list(folder.iterdir()))


def covered() -> Iterator[tuple[str, int, int, list[int]]]:
    """Replay what is kept, and say of each module of `READERS` how many lines of its readers ran, of how many, and
    which did not."""
    import coverage

    found = coverage.Coverage(data_file=None, source_pkgs=OURS)
    found.start()
    import fuzz_targets

    os.environ["POLARPRIOR_CACHE"] = str(fuzz_targets.folder() / "cache")
    for target, run in fuzz_targets.TARGETS.items():
        kept = (file.read_bytes() for file in sorted((KEPT / target).iterdir()))
        for content in (fuzz_targets.seeds()[target], *fuzz_targets.crafted().get(target, ()), *kept):
            run(content)
    found.stop()
    for name, functions in READERS.items():
        path = sys.modules[name].__file__ or ""
        _, lines, _, missing, _ = found.analysis2(path)
        tree = ast.parse(Path(path).read_text())
        bodies = [
            set(range(node.body[0].lineno, (node.end_lineno or 0) + 1))
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in functions
        ]
        own = set().union(*bodies)
        yield name, len(own & {*lines} - {*missing}), len(own & {*lines}), sorted(own & {*missing})


def main() -> None:
    from polarprior_benchmarks.reporting import Report

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=180, help="a target, 180 by default")
    parser.add_argument("--only", default="", help="targets whose names begin so")
    parser.add_argument("--corpus", type=Path, default=Path(tempfile.gettempdir()) / "polarprior-fuzzing")
    parser.add_argument(
        "--keep", action="store_true", help="make tests/fuzz_corpus of what is in FOLDER, and no more"
    )
    parser.add_argument("--cover", action="store_true", help="which lines of the readers tests/fuzz_corpus reaches")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    report, total = Report(), {"executions": 0, "crash": 0, "timeout": 0, "oom": 0}
    if arguments.cover:
        there = list(covered())
        ran, of = (sum(row[column] for row in there) for column in (1, 2))
        for name, lines, count, missing in there:
            report.add(f"{name}: lines of its readers", lines / count, "", "", None, f"{count}; not run: {missing}")
        report.add("all readers: lines", ran / of, "", ">= 0.95", ran / of >= 0.95, f"{ran} of {of}")
        report.write(arguments.json, Path(__file__).parent, keep=True)
        return
    import fuzz_targets

    os.environ["POLARPRIOR_CACHE"] = str(fuzz_targets.folder() / "cache")
    chosen = [target for target in fuzz_targets.TARGETS if target.startswith(arguments.only)]
    if arguments.keep:
        for target in chosen:
            print(target, keep(target, arguments.corpus / target), "files")
        return
    for target in chosen:
        corpus = arguments.corpus / target
        executions, found, said = fuzzed(target, corpus, arguments.seconds)
        detail = ", ".join(f"{count} {kind}" for kind, count in found.items() if count) or "none found"
        report.add(f"{target}: executions", executions, "", "0 findings", not any(found.values()), f"{detail} {said}")
        for kind, count in {"executions": executions, **found}.items():
            total[kind] += count
    for kind, count in () if arguments.only else total.items():
        goal = "" if kind == "executions" else "0"
        report.add(f"all: {kind}", count, "", goal, None if not goal else count == 0)
    report.write(arguments.json, Path(__file__).parent, keep=bool(arguments.only))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], sys.argv[3:])
    else:
        main()
