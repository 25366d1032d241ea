"""Looks for words that stand in a reader's way: `make check` runs it.

A docstring or a help text that begins with "Of", "That" or a participle begins in the middle of a sentence; a seed
is a number, not a paper; and a sentence of the documentation has at most 40 words.
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
MOST_WORDS = 40
PAGE = re.compile(
    r"(README|SECURITY|CONTRIBUTING|RELEASING|docs/[^/]+|polar_plugins/[^/]+/(README|docs/[^/]+)"
    r"|vendor_patches/([^/]+|flag/README))\.md"
)
NOT_PROSE = re.compile(r"^ *```.*?^ *```|<!--.*?-->|^ *[#|!][^\n]*$|^ {4}[^\n]*$", re.DOTALL | re.MULTILINE)
"""Code, comments, headings, tables and pictures of a page."""
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
BLOCK_ENDS = re.compile(r"(?:^|\n)\s*(?:[-*+>]|\d+\.)\s+|\n\s*\n")
SENTENCE_ENDS = re.compile(
    r"(?<=[.!?:])(?<![Ee]q\.)(?<!Fig\.|Tab\.|Alg\.| al\.)[)*\"]*\s+(?=[A-Z*(\"\d]|polarprior\b)"
)


def texts(path: Path) -> Iterator[str]:
    """The docstrings, those of constants too, and the help texts of a source."""
    for node in ast.walk(ast.parse(path.read_text())):
        value = (
            node.value if isinstance(node, ast.Expr) or (isinstance(node, ast.keyword) and node.arg == "help") else 0
        )
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield " ".join(value.value.split())


def sentences(page: str) -> Iterator[str]:
    """The sentences of a page of Markdown, with inline code as one word; a colon before a capital ends one too."""
    prose = LINK.sub(r"\1", re.sub(r"`[^`]*`", "CODE", NOT_PROSE.sub("\n", page)))
    for block in BLOCK_ENDS.split(prose):
        yield from SENTENCE_ENDS.split(" ".join(block.split()))


def found() -> Iterator[str]:
    """A line for each text that is to be put right: its file, how it begins, and what to do."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in sorted(files):
        path = ROOT / name
        if not path.is_file() or "tests" in path.relative_to(ROOT).parts:
            continue
        if name.endswith(".py"):
            for text in texts(path):
                if IN_THE_MIDDLE.match(text) or PARTICIPLE.match(text):
                    yield f"{name}: {text[:60]}: begin with a verb or the thing"
        if name.endswith((".py", ".md")):
            for line in path.read_text().splitlines():
                if PAPER.search(line):
                    yield f"{name}: {' '.join(line.split())[:60]}: a paper is 'the paper'"
        if PAGE.fullmatch(name):
            for sentence in sentences(path.read_text()):
                if len(sentence.split()) > MOST_WORDS:
                    yield f"{name}: {sentence[:60]}: {len(sentence.split())} words, split it"


def main() -> int:
    """Print what is to be put right; 1 where there is any."""
    lines = list(found())
    for line in lines:
        print(line)
    print(f"words: {len(lines)} to put right")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
