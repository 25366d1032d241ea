"""Ways to get the law of polarity wrong: small changes of the code that decides what is drawn.

`benchmarks/law_mutations.py` makes them one at a time, and runs the tests of the law on each.
"""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """A change of one place.

    Attributes:
        file: below hooks/polarprior.
        old: what stands there, once.
        new: what would stand there.
        equal: where no test can tell the two apart, why not.
    """

    file: str
    old: str
    new: str
    equal: str = ""

    @property
    def name(self) -> str:
        """What its result is kept as."""
        return f"{self.file}: {self.old.strip()} -> {self.new.strip()}"


UNCHANGED = "no change"
"""What the result without a mutant is kept as."""
WEIGHTS, LIMITS, SUPPORT, HOLD = "law/weights.py", "law/limits.py", "law/support.py", "law/hold.py"
COUPLING, BANK, FRESH = "samplers/coupling.py", "samplers/bank_sampler.py", "samplers/fresh.py"
PSIS, GEOMETRY, STREAMS, TRUE = "law/psis.py", "law/geometry.py", "samplers/streams.py", "samplers/true_volumes.py"
ONLINE, PUBLISHED, LAW, JOINT, TILT = (
    "samplers/online_sampler.py",
    "samplers/paper_online_sampler.py",
    "law/law.py",
    "law/joint.py",
    "law/tilt.py",
)

MUTANTS = (
    # What rows weigh.
    Mutant(WEIGHTS, "tilt *= rho", "tilt *= 1.1 * rho"),
    Mutant(WEIGHTS, "tilt *= rho", "tilt *= -rho"),
    Mutant(WEIGHTS, "tilt *= rho", "tilt *= 2 * rho"),
    Mutant(WEIGHTS, "tilt[lost] = -np.inf", "tilt[lost] = 0.0"),
    Mutant(WEIGHTS, "tilt += np.log(shares)", "tilt -= np.log(shares)"),
    Mutant(WEIGHTS, "finite.max() if rho > 0 else finite.min()", "finite.min() if rho > 0 else finite.max()"),
    Mutant(WEIGHTS, "missed *= draws", "missed *= draws - 1"),
    Mutant(WEIGHTS, "self.values.sum() ** 2 / (self.values @ self.values)", "1 / self.values.max()"),
    # Limits of rho.
    Mutant(LIMITS, "max(min(100.0, rows / 4), draws / 10)", "max(min(50.0, rows / 8), draws / 20)"),
    Mutant(LIMITS, "tail_k_hat(rho * tail) < TRUSTED_K_HAT", "tail_k_hat(rho * tail) < 1.0"),
    Mutant(LIMITS, "tilted = sign * finite", "tilted = finite"),
    Mutant(LIMITS, "rho = furthest if bounded else", "rho = furthest if True else"),
    Mutant(LIMITS, "return weights.ess >= needed and (bounded or", "return weights.ess >= needed and (True or"),
    Mutant(LIMITS, "return weights.ess >= needed and (bounded", "return weights.ess >= 0 and (bounded"),
    Mutant(LIMITS, "weights_at(sign * size)", "weights_at(size)"),
    Mutant(LIMITS, "weights if hold is None else hold.solve(weights)[1]", "weights"),
    Mutant(PSIS, "min(log_w.size / 5, 3 * np.sqrt(log_w.size))", "max(log_w.size / 5, 3 * np.sqrt(log_w.size))"),
    Mutant(PSIS, "(n * shape_mean + 10 * 0.5) / (n + 10)", "shape_mean"),
    # Supports.
    Mutant(SUPPORT, "(self.low <= lengths) & (lengths <= self.high)", "(self.low <= lengths)"),
    Mutant(SUPPORT, "(self.low <= lengths) & (lengths <= self.high)", "(lengths <= self.high)"),
    Mutant(SUPPORT, "np.clip(log_volume, self.low, self.high)", "np.clip(log_volume, self.low, None)"),
    Mutant(SUPPORT, "np.clip(log_volume, self.low, self.high)", "np.clip(log_volume, None, self.high)"),
    Mutant(SUPPORT, "tail = QUANTILES[0] / values.shape[1]", "tail = QUANTILES[0]"),
    Mutant(SUPPORT, "QUANTILES = (0.005, 0.995)", "QUANTILES = (0.05, 0.95)"),
    Mutant(GEOMETRY, "/ (2 * std**2)", "/ std**2"),
    # Holds.
    Mutant(HOLD, "log = weights.log - self._phi @ found.x", "log = weights.log + self._phi @ found.x"),
    Mutant(HOLD, "log = weights.log - self._phi @ found.x", "log = weights.log - 0.9 * self._phi @ found.x"),
    Mutant(HOLD, "[standard, standard**2]", "[standard, standard]"),
    Mutant(HOLD, "@ self.multipliers", "@ np.abs(self.multipliers)"),
    Mutant(LAW, "tilt - self.held.penalty(statistics)", "tilt + self.held.penalty(statistics)"),
    Mutant(LAW, "tilt if self.held is None or statistics is None else", "tilt if True else"),
    # The law that fresh samplers follow.
    Mutant(LAW, "self.rho * self.support.clamped(", "1.1 * self.rho * self.support.clamped("),
    Mutant(LAW, "self.rho * self.support.clamped(log_volume[full_rank])", "self.rho * log_volume[full_rank]"),
    Mutant(LAW, "tilt[~full_rank] = -np.inf", "tilt[~full_rank] = 0.0"),
    Mutant(LAW, "seen = target.clamped(log_volume)", "seen = log_volume"),
    Mutant(LAW, "inside = target.contains(rows.lengths())", "inside = np.ones(len(rows.log_volume), bool)"),
    Mutant(LAW, "shares = None if labels is None else shares_of(labels)", "shares = None"),
    # Joint laws, and tilts.
    Mutant(JOINT, "1 / (len(rows) * rows[where])", "np.full(len(where), 1 / len(where))"),
    Mutant(TILT, "return tilt / std", "return tilt * std"),
    Mutant(TILT, "return tilt / std", "return tilt / (1.1 * std)"),
    Mutant(TILT, "rows = bank.rows_of(label)", "rows = bank.rows_of(None)"),
    # The coupling.
    Mutant(COUPLING, "u[:, 0] < stay_probability", "u[:, 0] < 0.9 * stay_probability"),
    Mutant(COUPLING, "u[:, 0] < stay_probability", "u[:, 0] < np.sqrt(stay_probability)"),
    Mutant(COUPLING, "_inverse_cdf(self._residual, u[moves, 1])", "_inverse_cdf(self._cumulative, u[moves, 1])"),
    Mutant(COUPLING, "_inverse_cdf(self._residual, u[moves, 1])", "_inverse_cdf(self._residual, u[moves, 0])"),
    Mutant(COUPLING, "_inverse_cdf(self._cumulative, u[~known, 1])", "_inverse_cdf(self._residual, u[~known, 1])"),
    Mutant(COUPLING, "self._weights[rows] / self._shares[rows]", "self._weights.size * self._weights[rows]"),
    Mutant(COUPLING, "np.maximum(residual, 0, out=residual)", "np.abs(residual, out=residual)"),
    Mutant(COUPLING, 'side="right").clip(max=last)', 'side="left").clip(max=last)'),
    # The bank sampler.
    Mutant(BANK, "u = uniforms(hashes, 2)", "u = uniforms(hashes, 2)[:, ::-1]"),
    Mutant(BANK, "self._bank.seeds[rows[moved]]", "self._bank.seeds[rows[moved][::-1]]"),
    Mutant(BANK, "labels == label\n", "labels == labels\n"),
    Mutant(BANK, "shares = None if known.labels is None else shares_of(", "shares = None if True else shares_of("),
    Mutant(BANK, "label = torch.from_numpy(self._bank.labels[rows])", "label = torch.from_numpy(label.numpy())"),
    # Streams of fresh latents.
    Mutant(STREAMS, "key=STREAM_KEY + key % STREAM_KEY", "key=STREAM_KEY"),
    Mutant(STREAMS, "raw[:, 1:] >> np.uint64(11)", "raw[:, :3] >> np.uint64(11)"),
    Mutant(TRUE, "latents[torch.tensor(missing)]) + self._offset", "latents[torch.tensor(missing)]) - self._offset"),
    Mutant(FRESH, "u[batch, 0] < np.exp(screened.log_pass)", "u[batch, 0] < 2.0"),
    Mutant(FRESH, "proposal.u < np.exp(min(log_ratio, 0.0))", "proposal.u < np.exp(min(log_ratio / 2, 0.0))"),
    Mutant(FRESH, "proposal.u < np.exp(min(log_ratio, 0.0))", "True"),
    Mutant(FRESH, "float(u[row, 1])", "float(u[row, 0])"),
    Mutant(FRESH, "inside[acceptance.law.support.contains(", "inside[~acceptance.law.support.contains("),
    Mutant(FRESH, "(short * len(joint)).astype", "(short * (len(joint) - 1)).astype"),
    Mutant(FRESH, "weights = np.exp(log_ratio - log_ratio.max())", "weights = np.exp(0 * log_ratio)"),
    Mutant(FRESH, "gumbel = screened.log_guess - np.log(", "gumbel = screened.log_guess + np.log("),
    # The online samplers.
    Mutant(ONLINE, "- screened.log_pass - self.bound", "- self.bound"),
    Mutant(ONLINE, "- screened.log_pass - self.bound", "- screened.log_pass - self.bound + 1.0"),
    Mutant(ONLINE, "bound = float((true - log_pass).max())", "bound = float(np.median(true - log_pass))"),
    Mutant(ONLINE, "np.minimum(0, guess - self.level), guess, held", "guess - self.level, guess, held"),
    Mutant(ONLINE, "inside.mean())", "1.0)"),
    Mutant(PUBLISHED, "log_w - np.logaddexp(log_w, self.log_sum)", "2 * log_w - np.logaddexp(log_w, self.log_sum)"),
    Mutant(PUBLISHED, "log_w - np.logaddexp(log_w, self.log_sum)", "log_w - self.log_sum"),
)
