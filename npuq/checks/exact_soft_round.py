"""s, s^-1, r and their derivatives to 60 digits with Python's `decimal`, as a yardstick.

`literal` is Eq. 10 as it is printed, in as many digits as its cancellation asks for. The others
avoid cancellation and so work for every alpha; a test holds them against the literal form. With
E = e^-alpha and f the distance from the integer below,

    s^-1(n + f) = n + 1/2 + log((E + f (1 - E)) / (1 - f (1 - E))) / (2 alpha).
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, Context, Decimal, localcontext

DIGITS = 100  # minus about 40 that the smallest arguments cost
HALF = Decimal("0.5")
_CONTEXT = Context(prec=DIGITS)


def split(y: Decimal) -> tuple[Decimal, Decimal]:
    """The nearest integer, ties upwards, and the rest."""
    n = (y + HALF).to_integral_value(rounding=ROUND_FLOOR)
    return n, y - n


def literal(y: float | Decimal, alpha: float) -> Decimal:
    """Eq. (10) as printed, with the floor."""
    a, exact = Decimal(alpha), Decimal(y)
    with localcontext(Context(prec=DIGITS + int(alpha) + 2 * max(0, -exact.adjusted()))):
        floor = exact.to_integral_value(rounding=ROUND_FLOOR)
        r = exact - floor - HALF
        return floor + HALF * _tanh(a * r) / _tanh(a / 2) + HALF


def soft_round(y: float | Decimal, alpha: float) -> Decimal:
    """s_alpha(y), Eq. (10): the sinh form, in which all terms are positive."""
    with localcontext(_CONTEXT):
        a = Decimal(alpha)
        n, t = split(Decimal(y))
        size = abs(t)
        s = _sinh(a * size) / (_sinh(a * size) + _sinh(a * (1 - size)))
        return n + s.copy_sign(t)


def soft_round_inverse(z: float | Decimal, alpha: float) -> Decimal:
    """s_alpha^-1(z), as at the top of this file."""
    with localcontext(_CONTEXT):
        a = Decimal(alpha)
        n, w = split(Decimal(z))
        E, f = (-a).exp(), abs(w)
        t = (_log1p(f * (1 - E) / E) - _log1p(-f * (1 - E))) / (2 * a)
        return n + t.copy_sign(w)


def conditional_mean(z: float | Decimal, alpha: float) -> Decimal:
    """r_alpha(z) = s_alpha^-1(z - 1/2) + 1/2, Eq. (14), about the nearest integer."""
    with localcontext(_CONTEXT):
        a = Decimal(alpha)
        n, w = split(Decimal(z))
        E, f = (-a).exp(), abs(w)
        t = _log1p(2 * f * (1 - E) / ((HALF - f) + E * (HALF + f))) / (2 * a)
        return n + t.copy_sign(w)


def soft_round_slope(y: float | Decimal, alpha: float) -> Decimal:
    """s_alpha'(y), Appendix D."""
    with localcontext(_CONTEXT):
        a = Decimal(alpha)
        _, t = split(Decimal(y))
        decay = (-a * (1 - 2 * abs(t))).exp()
        return 2 * a * decay / (1 + decay) ** 2 / _tanh(a / 2)


def soft_round_inverse_slope(z: float | Decimal, alpha: float) -> Decimal:
    """The slope of s_alpha^-1 at z: 1 / s_alpha'(s_alpha^-1(z))."""
    with localcontext(_CONTEXT):
        _, w = split(Decimal(z))
        return _slope(abs(w), Decimal(alpha))


def conditional_mean_slope(z: float | Decimal, alpha: float) -> Decimal:
    """r_alpha'(z)."""
    with localcontext(_CONTEXT):
        _, w = split(Decimal(z))
        return _slope(HALF - abs(w), Decimal(alpha))


def _slope(f: Decimal, a: Decimal) -> Decimal:
    E = (-a).exp()
    return (1 - E) / (2 * a) * (1 / (E + f * (1 - E)) + 1 / (1 - f * (1 - E)))


def _tanh(x: Decimal) -> Decimal:
    e = (-2 * x).exp()
    return (1 - e) / (1 + e)


def _sinh(x: Decimal) -> Decimal:
    if abs(x) < Decimal("1e-20"):
        return x + x**3 / 6
    return (x.exp() - (-x).exp()) / 2


def _log1p(x: Decimal) -> Decimal:
    if abs(x) < Decimal("1e-20"):
        return x - x**2 / 2 + x**3 / 3
    return (1 + x).ln()
