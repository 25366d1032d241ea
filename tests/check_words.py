"""Looks for words that stand in a reader's way: `make check` runs it.

A docstring or a help text that begins with "Of", "That" or a participle begins in the middle of a sentence; and a
seed is a number, not a paper.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
IN_THE_MIDDLE = re.compile(r"(Of|That) ")
PARTICIPLE = re.compile(
    r"([A-Z][a-z]+ed|Drawn|Found|Given|Held|Kept|Known|Made|Run|Seen|Shown|Taken|Told|Written)"
    r" (after|as|at|before|by|for|from|in|of|on|once|only|to|until|when|where|while|with) "
)
PAPER = re.compile(
    r"called the seed|the seed's (eq|sec|Tab|Fig|foot|own|net|prob|start|param|set|C_|f_|base|arch|figures|way)"
    r"|[Tt]he seed (used|tried|leaves|takes|says|has|judges|calls|does|means|prints|reports)"
    r"|(of|than|in) the seed([,.;:)]| and | it | its )"
)


def texts(path: Path) -> Iterator[str]:
    """The docstrings, those of constants too, and the help texts of a source."""
    for node in ast.walk(ast.parse(path.read_text())):
        value = (
            node.value if isinstance(node, ast.Expr) or (isinstance(node, ast.keyword) and node.arg == "help") else 0
        )
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield " ".join(value.value.split())


def found() -> Iterator[str]:
    """A line for each text that is to be put right: its file, and how it begins."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in sorted(files):
        path = ROOT / name
        if not path.is_file() or "tests" in path.relative_to(ROOT).parts:
            continue
        if name.endswith(".py"):
            for text in texts(path):
                if IN_THE_MIDDLE.match(text) or PARTICIPLE.match(text):
                    yield f"{name}: {text[:60]}"
        if name.endswith((".py", ".md")):
            for line in path.read_text().splitlines():
                if PAPER.search(line):
                    yield f"{name}: {' '.join(line.split())[:60]}"


def main() -> int:
    """Print what is to be put right; 1 where there is any."""
    lines = list(found())
    for line in lines:
        print(f"{line}: begin with a verb or the thing; a paper is 'the paper'")
    print(f"words: {len(lines)} to put right")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
