"""Banks: built, calibrated for, and checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from polarprior.arguments import (
    BANK,
    GENERATOR,
    HOST,
    LABEL,
    SEEDS,
    SHARD_SIZE,
    SPACE,
    K,
    checked,
    flag,
    number,
    path,
    several,
    text,
    whole,
)
from polarprior.bank import writing
from polarprior.bank.verify import Verification, verified
from polarprior.building.build import Labour, build_at, build_in_memory
from polarprior.building.plan import Request
from polarprior.host import Host, default_host
from polarprior.hub.name import hub_name
from polarprior.sharing.find import find
from polarprior.sharing.push import push
from polarprior.volume.estimator_trials import calibrate as tried
from polarprior.volume.estimators import TOLERANCE

if TYPE_CHECKING:
    from polarprior.bank.bank import Bank
    from polarprior.bank.from_hub import SharedBank
    from polarprior.generator import Generator
    from polarprior.volume.calibration import Calibration


@checked(
    generator=GENERATOR,
    n=whole(1, SEEDS, "use such as n=10000"),
    k=K,
    space=SPACE,
    domain=text("use domain='z'"),
    classes=several(LABEL, 1, "use such as classes=[0, 1]").or_none(),
    seeds_from=whole(0, SEEDS - 1),
    estimator=text().or_none(),
    tol=number(above=0, use="use such as tol=0.05"),
    memory=whole(1, 2**60).or_none(),
    compile=flag(),
    out=path().or_none(),
    workers=whole(1, 10_000, "use workers=1"),
    engine=text("use engine='local'"),
    max_shard_size=SHARD_SIZE,
    progress=flag(),
    host=HOST,
)
def build_bank(
    generator: Generator,
    n: int,
    k: int = 30,
    *,
    space: str = "pixel",
    domain: str = "z",
    classes: Sequence[int] | None = None,
    seeds_from: int = 0,
    estimator: str | None = None,
    tol: float = TOLERANCE,
    memory: int | None = None,
    compile: bool = False,
    out: str | Path | None = None,
    workers: int = 1,
    engine: str = "local",
    max_shard_size: int = writing.MAX_SHARD_SIZE,
    progress: bool = False,
    host: Host | None = None,
) -> Bank:
    """Take the spectra of n latents of the model's own prior.

    Args:
        generator: the model; its settings are the bank's.
        n: rows in all. Row i has seed ``seeds_from + i``.
        k: singular values a row, 1 to the rank bound of the Jacobian.
        space: where volume is measured.
        domain: where latents live.
        classes: classes of a class-conditional model: row i has class ``classes[i % len(classes)]``; all where None.
        seeds_from: the first seed.
        estimator: see `polarprior.top_singular_values`; None for ``exact`` where K <= 1.5 k + 60, else
            ``block-lanczos``. ``auto`` is ``exact`` up to 500 latents, which is what calibration and audit of another
            would solve.
        tol: largest error of a log-volume that is accepted, nats. Up to 300 random rows are solved exactly, and
            the bank's metadata says what was found.
        memory: bytes of working memory that Jacobian products may take; where memory runs out, less is used.
        compile: take Jacobian products by `torch.compile`, which needs a C++ compiler. Compiling takes up to minutes;
            from a thousand rows on it pays on networks with attention or styles. Log-volumes change in their last
            digits.
        out: where the bank is written. What has been solved is kept in ``OUT.parts`` until it is all there, so that
            the same call goes on after whatever ended it. None: the bank is in memory only.
        workers: processes that work at once; the bank is the same, however many. More than one needs a generator that
            `polarprior.load` gave, and a host whose plugins another process can import.
        engine: ``local``, processes on this machine, or ``ray``, tasks of a Ray cluster.
        max_shard_size: bytes of a file, see `Bank.save`.
        progress: show a bar with a rate and a time left, on stderr.
        host: the plugins to ask; the installed ones where None.

    Returns:
        The Bank; with `out`, opened from there.

    Raises:
        UsageError: an argument out of range, or a host that workers can't load.
        PluginError: the generator draws noise inside or couples its batch, or its Jacobian holds NaN or infinity,
            is zero, or can't be taken.
        PolarPriorError: `out` holds another bank, or another build, or is being built by somebody else, or has no
            room.
    """
    host = host or default_host()
    request = Request(
        n, k, space, domain, None if classes is None else tuple(classes), seeds_from, estimator, tol, memory, compile
    )
    labour = Labour(workers, engine, None, max_shard_size, progress)
    if out is None:
        return build_in_memory(host, generator, request, labour)
    bank = build_at(host, generator, request, Path(out), labour)
    assert bank is not None  # only a share gives None
    return bank


@checked(
    generator=GENERATOR,
    space=SPACE,
    k=K,
    n=whole(2, SEEDS - 1, "use such as n=200"),
    domain=text("use domain='z'"),
    tol=number(above=0, use="use such as tol=0.05"),
    progress=flag(),
    host=HOST,
)
def calibrate(
    generator: Generator,
    space: str = "pixel",
    k: int = 30,
    n: int = 200,
    *,
    domain: str = "z",
    tol: float = TOLERANCE,
    progress: bool = False,
    host: Host | None = None,
) -> Calibration:
    """Solve n latents of the model's own prior exactly, at K JVPs each, and try the estimators on half of them.

    Args:
        generator: the model; labels of a class-conditional one go round.
        space, domain: where volume is measured, and where latents live.
        k: singular values kept.
        n: latents.
        tol: tolerance of estimators that stop by it, nats.
        progress: show a bar with a rate and a time left, on stderr.
        host: the plugins to ask; the installed ones where None.

    Raises:
        UsageError: k or the space out of range.
    """
    jacobian_fn = (host or default_host()).jacobian_fn(generator, space, domain)
    return tried(generator, jacobian_fn, k, n, domain=domain, tol=tol, progress=progress)


@checked(
    bank=BANK, repository=text("use such as repository='someone/ffhq-bank'"), licence=text().or_none(), private=flag()
)
def push_bank(bank: Bank, repository: str, *, licence: str | None = None, private: bool = False) -> str:
    """Put a bank on the Hugging Face Hub: its files, a card, and a picture, in one commit.

    Needs ``pip install "polarprior[hub]"``, and ``hf auth login``. What has arrived is not sent again.

    Args:
        bank: opened from a file; all of it is checked first.
        repository: ``USER/NAME``, made where it is missing.
        licence: of the bank, one of the Hub's identifiers, such as ``cc-by-nc-4.0``; needed where the checkpoint's
            authors state one.
        private: whether a repository that is made is one.

    Returns:
        Its name, ``hf://USER/NAME@COMMIT/FILE``, which `Bank.open` and ``--bank`` take.

    Raises:
        UsageError: no name of a repository, or no licence where one is needed.
        BankError: the bank is in memory, or damaged.
        PolarPriorError: nobody is logged in, has no right to do it, or nobody answers.
    """
    return str(push(bank, hub_name(repository), licence, private))


@checked(generator=GENERATOR)
def find_banks(generator: Generator) -> list[SharedBank]:
    """Banks on the Hugging Face Hub for this very model, those with its settings first.

    The Hub is asked for a tag that holds the fingerprint of the model's weights. Only indexes and cards are fetched,
    so that nothing of what they say is checked.

    Returns:
        SharedBank: ``.name``, which `Bank.open` takes as text, ``.info``, ``.rows``, ``.size`` in bytes, ``.card``.

    Raises:
        PolarPriorError: nobody answers.
    """
    return find(generator)


@checked(bank=BANK, generator=GENERATOR.or_none(), sample=whole(1, SEEDS, "use such as sample=8"), host=HOST)
def verify(
    bank: Bank, generator: Generator | None = None, *, sample: int = 8, host: Host | None = None
) -> Verification:
    """Check a bank's digest, seeds, labels, finiteness, order and duplicates; with a model, recompute some rows.

    Args:
        bank: an opened bank.
        generator: where given, the bank must be its own; hash and spectrum of `sample` rows are computed again.
            They are drawn with the digest as the seed: whoever changes the bank changes which rows are looked at.
        sample: how many rows.
        host: the plugins to ask; the installed ones where None.

    Raises:
        BankError: the first check that fails.
    """
    return verified(bank, generator, None if generator is None else (host or default_host()).jacobian_fn, sample)
