"""Targets, proposals and their messages for the tests of reverse channel coding."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, rel_entr
from scipy.stats import norm

from npuq.backend import Array
from npuq.paper.candidates import shared_candidates
from npuq.paper.poisson_functional import (
    ordered_random_coding,
    poisson_functional_representation,
)
from npuq.paper.random_coding import minimal_random_coding
from npuq.paper.rejection import greedy_rejection, rejection_sampling
from npuq.paper.reverse_channel import Candidates, LogDensity, Message, receive

FALSE_ALARM = 1e-6
SIGMAS = 5.0  # for means of thousands: a false alarm in 1.7e6, two-sided


class Target(NamedTuple):
    """q beside its proposal p; `most` bounds log q/p, in nats."""

    log_q: LogDensity
    candidates: Callable[[int], Candidates]  # of message m
    information_bits: float
    most: float


def discrete(q: Array, p: Array, seed: int = 0) -> Target:
    """Symbols 0 .. A - 1."""
    edges = np.cumsum(p)
    with np.errstate(divide="ignore"):
        log_q, log_p = np.log(q), np.log(p)
    nats = float(rel_entr(q, p).sum())

    def quantile(u: Array) -> Array:
        return np.minimum(np.searchsorted(edges, u[:, 0], side="right"), len(p) - 1)

    def candidates(m: int) -> Candidates:
        return shared_candidates(quantile, log_p.__getitem__, 1, seed=seed, message=m)

    most = float((log_q - log_p).max())
    return Target(log_q.__getitem__, candidates, nats / math.log(2), most)


def gaussian(mean: float, scale: float, seed: int = 0) -> Target:
    """q = N(mean, scale^2), scale < 1, beside p = N(0, 1)."""
    nats = -math.log(scale) + (scale**2 + mean**2 - 1) / 2
    most = -math.log(scale) + mean**2 / (2 * (1 - scale**2))
    q, p = norm(mean, scale), norm()

    def candidates(m: int) -> Candidates:
        return shared_candidates(
            lambda u: ndtri(u[:, 0]), lambda z: p.logpdf(z), 1, seed=seed, message=m
        )

    return Target(q.logpdf, candidates, nats / math.log(2), most)


def uniform_channel(y: Array, width: float, seed: int = 0) -> Target:
    """q uniform on y +- 1/2, Eq. 4, beside p uniform on [0, width)^D."""
    nats = y.size * math.log(width)

    def log_q(z: Array) -> Array:
        return np.where((abs(z - y) <= 0.5).all(axis=1), 0.0, -math.inf)

    def candidates(m: int) -> Candidates:
        return shared_candidates(
            lambda u: width * u, lambda z: np.full(len(z), -nats), y.size, seed=seed, message=m
        )

    return Target(log_q, candidates, nats / math.log(2), nats)


# --- methods ------------------------------------------------------------------------------------

Method = Callable[[Target, Candidates], Message]


def rejection(target: Target, candidates: Candidates) -> Message:
    return rejection_sampling(target.log_q, candidates, log_ratio_max=target.most)


def poisson(target: Target, candidates: Candidates) -> Message:
    return poisson_functional_representation(target.log_q, candidates, log_ratio_max=target.most)


def greedy(q: Array, p: Array) -> Method:
    return lambda _, candidates: greedy_rejection(q, p, candidates)


def minimal(count: int) -> Method:
    return lambda target, candidates: minimal_random_coding(target.log_q, candidates, count=count)


def ordered(count: int) -> Method:
    def send(target: Target, candidates: Candidates) -> Message:
        return ordered_random_coding(
            target.log_q, candidates, count=count, log_ratio_max=target.most
        )

    return send


def transmit(method: Method, target: Target, messages: int) -> tuple[Array, Array, Array]:
    """Index, candidates examined, and z of that many messages."""
    sent = [method(target, target.candidates(m)) for m in range(messages)]
    z = np.stack([receive(message.n, target.candidates(m)) for m, message in enumerate(sent)])
    return np.array([s.n for s in sent]), np.array([s.examined for s in sent]), z
