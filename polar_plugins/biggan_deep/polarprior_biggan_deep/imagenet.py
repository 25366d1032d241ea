"""Names of the thousand classes of ImageNet, in their order: WordNet's words for them."""

from __future__ import annotations

from pathlib import Path

FILE = Path(__file__).with_name("imagenet.txt")


def class_names(num_classes: int) -> tuple[str, ...]:
    """The names, with their synonyms, where there are as many classes as ImageNet's; else none.

    >>> class_names(1000)[2], class_names(10)
    ('great white shark, white shark, man-eater, man-eating shark, Carcharodon carcharias', ())
    """
    names = tuple(FILE.read_text(encoding="utf-8").splitlines())
    return names if len(names) == num_classes else ()
