"""Making a plan: try the model, calibrate where that is needed, and decide what fixes the bank's bytes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from polarprior.building.calibration_bytes import digest as calibration_digest
from polarprior.building.plan import Plan, Request, rows_of_a_part
from polarprior.checks import check_behaves, check_differentiates
from polarprior.errors import UsageError
from polarprior.generator import Generator
from polarprior.jacobian.compiled import check_compiles, compiling
from polarprior.jacobian.memory import memory_limit
from polarprior.jacobian.of_generator import JacobianOf, rank_of
from polarprior.stages import stage
from polarprior.volume.arithmetic import exact_arithmetic
from polarprior.volume.audit import AUDITED
from polarprior.volume.calibration import Calibration
from polarprior.volume.estimator_trials import IN_BFLOAT16, calibrate
from polarprior.volume.estimators import AUTO, check_estimator, default_estimator
from polarprior.volume.spectra import columns_held, latents_at_once
from polarprior.volume.spectrum import check_k
from polarprior.volume.tangent_only import in_bfloat16

NEED_CALIBRATION = (AUTO, "tangent-only", IN_BFLOAT16, "balanced")
"""What falls short by an amount that only exact spectra tell, and starts from a subspace that they give."""
CALIBRATED, CALIBRATED_WITH_START = 200, 40
"""Latents that are solved for it; less where the Jacobians know themselves where to start."""
PROBED = 4
"""Latents whose Jacobians are tried before anything long starts."""


def first_plan(generator: Generator, request: Request) -> Plan:
    """What is known before the model has been tried; nothing is decided yet.

    Raises:
        UsageError: k, a class, the estimator or its tolerance out of range.
    """
    if request.classes is not None or generator.num_classes is not None:
        _check_classes(generator, request.classes)
    if request.domain == "z":
        check_k(request.k, generator.rank_bound)
    check_estimator(request.estimator or "exact", request.tol)
    return Plan(
        request=request,
        plugin=generator.plugin,
        plugin_version=generator.version,
        fingerprint=generator.fingerprint,
        prior=generator.prior.name,
        latent_shape=tuple(generator.prior.shape),
        stock_seeds=generator.prior.stock_seeds,
        num_classes=generator.num_classes,
        settings=generator.settings,
        licence=generator.licence,
        dtype=str(generator.dtype).removeprefix("torch."),
        torch=torch.__version__,
        device=generator.device.type,
    )


def decide(
    generator: Generator,
    plan: Plan,
    jacobian_of: JacobianOf,
    calibration: Calibration | None = None,
    progress: bool = False,
) -> tuple[Plan, Calibration | None]:
    """Try the model, and complete its `first_plan`; with a calibration where the estimator needs one.

    Args:
        generator: the model.
        plan: what is known.
        jacobian_of: gives the model's Jacobians.
        calibration: the one that the bank was begun with; taken anew where None.
        progress: show a bar while calibrating.

    Raises:
        UsageError: k, the space, the estimator or the memory out of range, or `torch.compile` doesn't work here.
        PluginError: the generator draws noise inside or couples its batch, or its Jacobian holds NaN or infinity, is
            zero, or can't be taken.
    """
    request = plan.request
    if request.compile:
        check_compiles(generator.device)
    jacobian_fn = jacobian_of(generator, request.space, request.domain)
    rows = np.arange(min(PROBED, request.n))
    with stage("trying the model's Jacobians"):
        first = jacobian_fn(generator.prior.draw(plan.seeds(rows), plan.labels(rows)))
        rank = rank_of(generator, request.domain, first)
        check_k(request.k, rank)
        check_behaves(generator)
        check_differentiates(first, generator.called)
    name = request.estimator or default_estimator(first.input_dim, request.k, request.n)
    if name == AUTO and request.n <= CALIBRATED + AUDITED:
        name = "exact"  # what anything else would solve exactly, to be chosen and audited, is more than n
    if name == IN_BFLOAT16:
        in_bfloat16(first)  # or an error, before the calibration
    chunk = latents_at_once(first, columns_held(name, request.k, first.input_dim), request.memory)
    plan = replace(
        plan,
        chosen=name,
        rank=rank,
        chunk=chunk,
        audit_chunk=latents_at_once(first, first.input_dim, request.memory),
        part=rows_of_a_part(request.n, chunk),
    )
    if name not in NEED_CALIBRATION:
        return plan, None
    if calibration is None:
        size = CALIBRATED if first.start is None else CALIBRATED_WITH_START
        with exact_arithmetic(), memory_limit(request.memory), compiling(request.compile):
            calibration = calibrate(
                generator,
                jacobian_fn,
                request.k,
                size,
                domain=request.domain,
                tol=request.tol,
                progress=progress,
            )
    return _with_calibration(plan, calibration), calibration


def _with_calibration(plan: Plan, calibration: Calibration) -> Plan:
    chosen = calibration.cheapest(plan.request.tol) if plan.chosen == AUTO else plan.chosen
    largest = float(np.finfo(np.float64).max)  # JSON has no infinity
    errors = {f"calibrated_error_{name}": min(calibration.spread(name), largest) for name in calibration.errors}
    return replace(
        plan,
        chosen=chosen,
        calibration=calibration_digest(calibration),
        calibrated={"calibrated_on": len(calibration.seeds), **errors},
        offset=0.0 if chosen == "exact" else calibration.offset(chosen),
    )


def _check_classes(generator: Generator, classes: tuple[int, ...] | None) -> None:
    if classes is not None and not classes:
        raise UsageError("classes: got no class", "name some, or leave it out for all")
    generator.check_label(torch.tensor(range(generator.num_classes or 0) if classes is None else classes))
