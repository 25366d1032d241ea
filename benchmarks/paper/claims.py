"""Claims of the paper, and the one verdict of each.

A claim is one or more parts, each a figure of which the paper says which way it goes. A part is judged by the banks:
by Student's t of their values. A claim agrees where all its parts do, and among all claims of a section of the paper
Holm's procedure keeps the chance that one is decided wrongly below `LEVEL`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from scipy.stats import t as student
from telling import Results, edge

LEVEL = 0.05
AGREES, DISAGREES, UNDECIDED, UNTESTED = "agrees", "disagrees", "undecided", "not testable here"


class Part(NamedTuple):
    """A figure that a claim speaks of.

    Attributes:
        what: where it is looked at, in a few words.
        effect: its `scene.interval`; None where not all banks have it.
        expected: the sign that the claim gives it; 0 where the claim is that it is negligible.
        negligible: the largest size of a figure that is negligible, for an `expected` of 0.
        chosen: the figure is at a rho that was chosen, for each bank, on the other ones. The banks' figures then
            depend on each other, and p is doubled: of noise, `tests/test_claims.py` has one in twenty below 0.05.
        exact: p, where there is an exact test, as of a share of latents that are counted.
    """

    what: str
    effect: Results | None
    expected: int
    negligible: float = 0.0
    chosen: bool = False
    exact: float | None = None

    def p(self) -> float:
        """The chance that banks speak as clearly where the true figure lies between what is claimed and what is not:
        two-sided, and one-sided for a negligible figure (two one-sided tests, Schuirmann 1987)."""
        if self.effect is None or self.exact is not None:
            return 1.0 if self.exact is None else self.exact
        n, size = len(self.effect["values"]), abs(self.effect["mean"])
        far = size if self.expected else abs(size - self.negligible)
        if n < 2 or far == 0:
            return 1.0
        error = float(self.effect["std"]) / n**0.5
        sides = 1 if not self.expected and self.holds() else 2
        p = sides * (float(student.sf(far / error, n - 1)) if error else 0.5**n)  # of equal values: their signs alone
        return min(1.0, 2 * p) if self.chosen else p

    def holds(self) -> bool:
        """Whether the mean lies where the claim has it; False where not all banks have it."""
        if self.effect is None:
            return False
        mean = self.effect["mean"]
        return bool(mean * self.expected > 0 if self.expected else abs(mean) < self.negligible)


class Claim(NamedTuple):
    """What the paper says in one place.

    Attributes:
        section: of the paper, such as 4.1 or C.3.
        figures: of the paper, such as Fig. 3; empty where it has none.
        says: the claim, in a sentence.
        parts: what decides it; none where nothing here can.
        by: what the parts are figures of, or why nothing here can decide it.
    """

    section: str
    figures: str
    says: str
    by: str
    parts: tuple[Part, ...] = ()


class Verdict(NamedTuple):
    """What became of a claim.

    Attributes:
        claim: it.
        word: agrees where all parts are decided for it, disagrees where one is decided against it.
        telling: the part that the word hangs on: the one against it that is clearest, else the least clear one.
        words: of its parts.
    """

    claim: Claim
    word: str
    telling: Part | None
    words: tuple[str, ...]


def at_the_end(
    rows: Sequence[Results], sign: int, where: str, of: Callable[[Results], Results], expected: int
) -> Part:
    """A part that is a figure of the row furthest on one side that all banks support.

    Args:
        rows: at several rho.
        sign: of rho.
        where: see `Part.what`.
        of: the figure.
        expected: see `Part`.
    """
    row = edge(rows, sign)
    return Part(where, None, expected) if row is None else Part(f"{where}, rho {row['rho']:g}", of(row), expected)


def verdicts(claims: Sequence[Claim]) -> list[Verdict]:
    """Judge claims, with Holm's procedure over the claims of a section."""
    levels: dict[int, float] = {}
    for section in dict.fromkeys(claim.section for claim in claims):
        own = [claim for claim in claims if claim.section == section and claim.parts]
        levels |= dict(zip(map(id, own), holm_levels([_p(claim.parts) for claim in own]), strict=True))
    return [_verdict(claim, levels.get(id(claim), 0.0)) for claim in claims]


def _p(parts: Sequence[Part]) -> float:
    """How unlikely it is to decide a claim that is neither true nor false: the smaller p of two tests.

    A claim is true if all its parts are, so that the largest p of these counts (an intersection-union test, Berger
    1982). It is false if one of them is: the smallest p counts, times their number (Bonferroni).
    """
    true = max(part.p() if part.holds() else 1.0 for part in parts)
    false = len(parts) * min(1.0 if part.holds() else part.p() for part in parts)
    return min(true, false)


def _verdict(claim: Claim, level: float) -> Verdict:
    words = tuple(_word(part, level, len(claim.parts)) for part in claim.parts)
    against = [part for part, word in zip(claim.parts, words, strict=True) if word == DISAGREES]
    word = UNTESTED if not words else DISAGREES if against else AGREES if set(words) == {AGREES} else UNDECIDED
    telling = min(against, key=Part.p) if against else max(claim.parts, key=Part.p, default=None)
    return Verdict(claim, word, telling, words)


def _word(part: Part, level: float, parts: int) -> str:
    if part.holds():
        return AGREES if part.p() <= level else UNDECIDED
    return DISAGREES if parts * part.p() <= level else UNDECIDED


def holm_levels(p: Sequence[float]) -> list[float]:
    """Give each hypothesis the level that Holm's procedure at `LEVEL` compares its p with. Those after the first that
    is not rejected get its level, which they miss as well."""
    levels = [0.0] * len(p)
    going, level = True, 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=lambda each: p[each])):
        level = LEVEL / (len(p) - rank) if going else level
        levels[place] = level
        going = going and p[place] <= level
    return levels
