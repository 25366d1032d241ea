"""The verdicts at the top of docs/paper.md: results that must give a word give it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import t as student

ROOT = Path(__file__).parents[1]
PAPER = ROOT / "benchmarks" / "paper"
MODULES = sorted(path.stem for path in PAPER.glob("*.py"))


@pytest.fixture(scope="module")
def claims():
    """The module; what it has imported goes with it, since other folders have modules of these names."""
    sys.path.insert(0, str(PAPER))
    import claims

    yield claims
    sys.path.remove(str(PAPER))
    for name in MODULES:
        sys.modules.pop(name, None)


def figure(*values):
    """What `scene.interval` gives of these banks."""
    std = float(np.std(values, ddof=1))
    half = student.ppf(0.975, len(values) - 1) * std / len(values) ** 0.5
    return {"mean": float(np.mean(values)), "half": half, "std": std, "values": list(values)}


CLEAR = figure(1.0, 1.1, 0.9, 1.05, 0.95)
BARE = figure(0.5, 1.5, 0.1, 1.2, 0.6)
"""Its interval lies above 0, by little: p is 0.04."""
NOISE = figure(1.0, -1.1, 0.3, -0.4, 0.1)


def of(claims, *parts, section="4.1"):
    return claims.Claim(section, "Fig. 3", "polarity helps", "figures", tuple(parts))


def word(claims, *parts):
    return claims.verdicts([of(claims, *parts)])[0].word


def test_each_word(claims):
    part = claims.Part
    assert word(claims, part("here", CLEAR, 1)) == "agrees"
    assert word(claims, part("here", CLEAR, -1)) == "disagrees"
    assert word(claims, part("here", NOISE, 1)) == "undecided"
    assert word(claims) == "not testable here"


def test_it_agrees_only_where_all_its_parts_do(claims):
    part = claims.Part
    assert word(claims, part("a", CLEAR, 1), part("b", CLEAR, 1)) == "agrees"
    assert word(claims, part("a", CLEAR, 1), part("b", NOISE, 1)) == "undecided"
    assert word(claims, part("a", CLEAR, 1), part("b", None, 1)) == "undecided"
    assert word(claims, part("a", CLEAR, 1), part("b", NOISE, 1), part("c", CLEAR, -1)) == "disagrees"


def test_it_hangs_on_what_is_clearest_against_it_or_least_clear(claims):
    part = claims.Part
    against, clear, faint = part("against", CLEAR, -1), part("clear", CLEAR, 1), part("faint", NOISE, 1)
    assert claims.verdicts([of(claims, clear, against, faint)])[0].telling is against
    assert claims.verdicts([of(claims, clear, faint)])[0].telling is faint


def test_what_is_claimed_to_be_negligible(claims):
    small, large = figure(0.001, -0.002, 0.001, 0.0, 0.002), figure(0.05, 0.06, 0.05, 0.055, 0.045)
    between = figure(0.008, 0.013, 0.009, 0.012, 0.007)
    assert word(claims, claims.Part("here", small, 0, 0.01)) == "agrees"
    assert word(claims, claims.Part("here", large, 0, 0.01)) == "disagrees"
    assert word(claims, claims.Part("here", between, 0, 0.01)) == "undecided"


def test_more_claims_in_a_section_ask_for_more(claims):
    """And those of another section ask for nothing."""
    bare = of(claims, claims.Part("here", BARE, 1))
    others = [of(claims, claims.Part("there", NOISE, 1)) for _ in range(3)]
    assert 0.02 < claims.Part("here", BARE, 1).p() < 0.05
    assert claims.verdicts([bare])[0].word == "agrees"
    assert claims.verdicts([bare, *others])[0].word == "undecided"
    elsewhere = [each._replace(section="C.3") for each in others]
    assert claims.verdicts([bare, *elsewhere])[0].word == "agrees"


def test_holm(claims):
    def rejected(*p):
        return [each <= level for each, level in zip(p, claims.holm_levels(p), strict=True)]

    assert rejected(0.01, 0.04, 0.03) == [True, False, False]
    assert rejected(0.01, 0.02, 0.03) == [True, True, True]
    assert rejected(0.04, 0.9) == [False, False]
    assert rejected(0.9, 0.026, 0.01, 0.01) == [False, False, True, True]


def test_parts_of_one_claim_ask_nothing_of_another(claims):
    """A claim of many parts, none of which is decided, counts as one."""
    bare = of(claims, claims.Part("here", figure(0.5, 1.1, 0.4, 1.0, 0.6), 1))
    many = of(claims, *[claims.Part("there", NOISE, 1)] * 50)
    assert claims.Part("here", bare.parts[0].effect, 1).p() < 0.025
    assert [each.word for each in claims.verdicts([bare, many])] == ["agrees", "undecided"]


@pytest.mark.parametrize("parts", [1, 2, 12])
def test_no_claim_is_decided_by_many_parts_of_noise(claims, parts):
    """At most 5% of claims about nothing are decided, whatever the number of their parts, up to chance."""
    stream, wrong, tries = np.random.default_rng(parts), 0, 500
    for _ in range(tries):
        noise = [claims.Part("here", figure(*stream.normal(size=5)), 1) for _ in range(parts)]
        wrong += word(claims, *noise) != "undecided"
    assert wrong < 0.08 * tries


def test_nothing_is_found_in_noise(claims):
    """At most 5% of sections of eight claims about nothing have a decided one, up to chance."""
    stream, wrong, sections = np.random.default_rng(0), 0, 400
    for _ in range(sections):
        noise = [of(claims, claims.Part("here", figure(*stream.normal(size=5)), 1)) for _ in range(8)]
        wrong += any(verdict.word != "undecided" for verdict in claims.verdicts(noise))
    assert 0.01 * sections < wrong < 0.08 * sections


@pytest.mark.parametrize("banks", [(0.0, 0.0, 0.0), (0.0,)])
def test_banks_that_say_nothing_decide_nothing(claims, banks):
    effect = {"mean": 0.0, "half": 0.0, "std": 0.0, "values": list(banks)}
    assert word(claims, claims.Part("here", effect, 1)) == "undecided"


def test_the_best_rho_is_chosen_on_other_banks(claims):
    """Otherwise it would find a gain in noise. The rho that the others choose finds none, and of its p, which are
    doubled, about one in twenty is below 0.05."""
    from telling import gain

    stream = np.random.default_rng(1)
    found = []
    for _ in range(600):
        rows = [{"rho": float(rho), "within_limits": 1, "fid": {"values": stream.normal(size=5)}} for rho in range(6)]
        found.append(gain(rows, lambda row: row["fid"]))
    means = [each["mean"] for each in found]
    assert abs(np.mean(means)) < 4 * np.std(means) / len(means) ** 0.5
    assert 0.02 < np.mean([claims.Part("", each, -1, chosen=True).p() <= 0.05 for each in found]) < 0.08


def test_equal_values_of_few_banks_are_no_proof(claims):
    """Student's t would be infinite; five signs alone are not."""
    same = {"mean": 1.0, "half": 0.0, "std": 0.0, "values": [1.0] * 5}
    assert claims.Part("", same, 1).p() == 2 * 0.5**5
    assert claims.Part("", same, 1, exact=1e-9).p() == 1e-9


def test_at_equal_precision_and_recall(claims):
    """Polarity at (0.5, 0.7) has 0.2 more of both than a truncation along recall = 1 - precision."""
    from telling import JUDGED, at_equal

    def row(precision, recall):
        both = {"precision": figure(*[precision] * 2), "recall": figure(*[recall] * 2)}
        return {"metrics": {JUDGED: both}}

    cut = [row(place, 1 - place) for place in (0.2, 0.4, 0.9)]
    for metric in ("precision", "recall"):
        assert at_equal(metric, row(0.5, 0.7), cut)["mean"] == pytest.approx(0.2)
    assert at_equal("precision", row(0.95, 0.3), cut)["mean"] == pytest.approx(0.2)  # than at 0.9, the most precise
    assert at_equal("precision", row(0.1, 0.97), cut) is None


def test_a_frontier(claims):
    """What another setting beats in both metrics is not on it, and it is chosen on other banks than the judge."""
    from frontier import chosen, frontier

    settings = np.array([[0.9, 0.1], [0.5, 0.5], [0.4, 0.4], [0.1, 0.9], [0.5, 0.4]])
    assert frontier(settings).tolist() == [3, 1, 0]
    banks = np.repeat(settings[:, :, None], 3, 2)
    banks[2, :, 0] = 1.0  # lucky, on one bank alone
    assert chosen(banks, 0).tolist() == [[0.1, 0.9], [0.5, 0.5], [0.9, 0.1]]
    assert [1.0, 1.0] not in chosen(banks, 1).tolist()


def test_what_a_curve_gains_at_equal_levels(claims):
    from frontier import gained

    plain = np.array([[0.2, 0.8], [0.8, 0.2]])
    assert gained(plain + 0.1, plain, 0, 1) == pytest.approx(0.2)  # recall 0.2 higher at each precision
    assert gained(plain + 0.1, plain, 1, 0) == pytest.approx(0.2)
    assert np.isnan(gained(plain + np.array([0.7, 0.0]), plain, 0, 1))


def test_the_area_below_a_curve(claims):
    from frontier import hypervolume

    ends = np.array([[0.2, 0.8], [0.8, 0.2]])
    assert hypervolume(ends) == pytest.approx(0.2 * 0.8 + 0.6 * 0.5)
    assert hypervolume(np.vstack([[0.5, 0.5], ends])) == pytest.approx(hypervolume(ends))  # no more for more points
    bent = np.array([[x, 1 - x**2] for x in np.linspace(0.2, 0.8, 41)])
    assert hypervolume(bent[::8]) == pytest.approx(hypervolume(bent), abs=0.0005)  # 0.0024 by straight lines


def test_noise_extends_no_frontier(claims):
    """More settings along the same curve, to choose from, are seldom said to extend it."""
    from frontier import BOTH, DECIDING, PSIS, TILTS, compared
    from telling import JUDGED

    stream, wrong, tries = np.random.default_rng(0), dict.fromkeys(DECIDING, 0), 60

    def row(psi, place, **more):
        truth = {"precision": 0.2 + 0.6 * place, "recall": 0.8 - 0.6 * place**2, "coverage": 0.5}
        noisy = {name: figure(*(value + 0.005 * stream.normal(size=5))) for name, value in truth.items()}
        return {"psi": psi, "metrics": {JUDGED: noisy}, "control": {JUDGED: noisy}, "within_limits": 1, **more}

    for _ in range(tries):
        settings = [(psi, tilt) for psi in PSIS for tilt in TILTS]
        both = [row(psi, place / 34, asked=tilt) for place, (psi, tilt) in enumerate(settings)]
        alone = [row(psi, psi) for psi in np.linspace(0, 1, 13)]
        found = compared({"both": both, "alone": alone}, JUDGED)[BOTH]
        for name in DECIDING:
            part = claims.Part("", found[name], 1, chosen=True)
            wrong[name] += part.p() < 0.05 and part.holds()
    assert max(wrong.values()) <= 0.1 * tries


def test_results_that_are_missing_or_of_another_edition_are_named(claims, monkeypatch, tmp_path, capsys):
    import page

    monkeypatch.setattr(page, "RESULTS", tmp_path)
    assert page._results("truncated") is None
    assert "truncated.json: not there" in capsys.readouterr().err
    (tmp_path / "truncated.json").write_text(json.dumps({"edition": 9, "commit": "0123456789ab", "rows": []}))
    assert page._results("truncated") is None
    assert "of 012345678, edition 9 of the script, not 1" in capsys.readouterr().err
    (tmp_path / "truncated.json").write_text(json.dumps({"rows": [1]}))
    assert page._results("truncated") == {"rows": [1]}


def test_a_piece_is_made_once_and_its_time_is_counted(claims, monkeypatch, tmp_path):
    import scene

    monkeypatch.setattr(scene, "CACHE", tmp_path)
    made = []

    def asked(about="a-network"):
        of = SimpleNamespace(about=about)
        return scene.Pieces("frontier")(of, "a piece", lambda: made.append(1) or {"rho": 0.5})

    assert asked() == asked() == {"rho": 0.5}
    assert len(made) == 1
    asked("another")
    assert len(made) == 2
    monkeypatch.setattr(scene, "edition_of", lambda _: 9)
    asked()
    assert len(made) == 3
