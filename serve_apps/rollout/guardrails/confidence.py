"""Evidence that survives being looked at after every observation: for paired means and for rates.

Sources: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and asymptotic confidence
sequences", Annals of Statistics 52(6), 2024 (arXiv 2103.06476, eq. 9, in its one-sided form); Robbins, "Statistical
methods related to the law of the iterated logarithm", 1970, for the beta-binomial mixture.
"""

from math import inf, lgamma, log, log1p, sqrt

TIGHTEST_AT = 2_000  # observations at which the mean's bounds are as narrow as they can be made; 6 % wider at 20,000
_PRIOR = 0.5  # Jeffreys: puts its weight where error rates are, near 0


def spread(alpha: float, tightest_at: int = TIGHTEST_AT) -> float:
    """The mixture's rho that makes one-sided bounds at level `alpha` tightest after that many observations.

    The paper's closed form for the two-sided sequence at 2 alpha, which the one-sided one approaches.
    """
    doubled = -2.0 * log(2.0 * alpha)
    return sqrt((doubled + log(doubled) + 1.0) / tightest_at)


def reach(n: int, variance: float, alpha: float) -> float:
    """Width of the confidence bound above (or below) the mean of `n` differences, at all n at once, with error `alpha`.

    sqrt(variance) · sqrt(2 (n ρ² + 1) / (n² ρ²) · log(1 + sqrt(n ρ² + 1) / (2 α))); infinite for n = 0. One
    observation of variance 1/4 is mixed in, so that differences that were all equal so far do not claim certainty.

    >>> round(reach(2_000, 0.06**2, 0.01), 4)
    0.0046
    """
    if n == 0:
        return inf
    rho_squared = spread(alpha) ** 2
    mixed = n * rho_squared + 1.0
    careful = (n * variance + 0.25) / (n + 1)
    return sqrt(careful * 2.0 * mixed / (n * n * rho_squared) * log1p(sqrt(mixed) / (2.0 * alpha)))


def _log_mixture(errors: int, n: int) -> float:
    """Log likelihood of one such sequence under rates drawn from the prior."""
    whole = lgamma(_PRIOR + errors) + lgamma(_PRIOR + n - errors) - lgamma(2 * _PRIOR + n)
    return whole - 2 * lgamma(_PRIOR) + lgamma(2 * _PRIOR)


def _log_likelihood(errors: int, n: int, rate: float) -> float:
    if (errors and rate <= 0.0) or (errors < n and rate >= 1.0):
        return -inf
    return (errors * log(rate) if errors else 0.0) + ((n - errors) * log1p(-rate) if errors < n else 0.0)


def rate_evidence(errors: int, n: int, limit: float) -> float:
    """Log evidence that the error rate is above `limit`; beyond log(1/α) it is wrong at most α of the time, at any n.

    >>> rate_evidence(errors=1, n=1000, limit=0.006) < 0.0 < rate_evidence(errors=60, n=1000, limit=0.006)
    True
    """
    if n == 0 or errors <= limit * n:
        return -inf
    return _log_mixture(errors, n) - _log_likelihood(errors, n, limit)


def rate_difference_evidence(errors: int, n: int, base_errors: int, base_n: int, margin: float) -> float:
    """Log evidence that the rate is above the base's rate plus `margin`, both counted over the same time.

    The product of the two mixtures is a martingale at the true pair of rates whatever the arms' shares are, so the
    least evidence over all pairs within the margin is valid. Convex in the base rate: golden-section search.

    >>> rate_difference_evidence(errors=20, n=100, base_errors=9, base_n=900, margin=0.005) > log(1 / 0.01)
    True
    """
    if n == 0 or base_n == 0 or errors / n <= base_errors / base_n + margin:
        return -inf
    mixtures = _log_mixture(errors, n) + _log_mixture(base_errors, base_n)

    def best_fit(base_rate: float) -> float:
        return _log_likelihood(errors, n, base_rate + margin) + _log_likelihood(base_errors, base_n, base_rate)

    low, high, golden = base_errors / base_n, max(errors / n - margin, base_errors / base_n), (sqrt(5.0) - 1.0) / 2.0
    for _ in range(60):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if best_fit(left) < best_fit(right):
            low = left
        else:
            high = right
    return mixtures - best_fit((low + high) / 2.0)
