#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/unit/statistics_reference.h: what measure/statistics.c has to give, computed in other ways.

usage: statistics-reference.py >tests/unit/statistics_reference.h

Quantiles are those of Python's statistics module, intervals of the median come from exact binomial
coefficients, ranks from all pairs, p-values from Python's normal distribution. For small samples
without ties, the p-value by counting all arrangements is written, too.
"""
import random
import statistics
from fractions import Fraction
from itertools import combinations
from math import comb, sqrt


def quantile(values, percent):
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def median_interval(values):
    ordered, count = sorted(values), len(values)
    cut = 0
    while cut + 1 < count / 2 and 2 * Fraction(sum(comb(count, i) for i in range(cut + 2)), 2**count) <= Fraction(5, 100):
        cut += 1
    return ordered[cut], ordered[-1 - cut]


def rank_test(first, second):
    u = sum((y > x) + (y == x) / 2 for x in first for y in second)
    everything = first + second
    n, m, count = len(first), len(second), len(everything)
    ties = sum(everything.count(value) ** 3 - everything.count(value) for value in set(everything))
    variance = n * m / 12 * ((count + 1) - ties / (count * (count - 1)))
    if variance == 0:
        return u, 1.0
    return u, 1 - statistics.NormalDist().cdf((u - n * m / 2 - 0.5) / sqrt(variance))


def exact_p(first, second):
    """Share of all arrangements of the ranks with a u as large; -1: ties, or too many."""
    everything = first + second
    if len(set(everything)) < len(everything) or comb(len(everything), len(first)) > 200000:
        return -1
    observed = rank_test(first, second)[0]
    ranks, at_least, total = range(len(everything)), 0, 0
    for chosen in combinations(ranks, len(second)):
        u = sum(chosen) - len(second) * (len(second) - 1) / 2
        at_least += u >= observed
        total += 1
    return at_least / total


def c_list(values):
    return "{" + ", ".join(f"{value:.17g}" for value in values) + "}"


rng = random.Random(20261121)
series = [
    [5.0],
    [1.0, 2.0],
    [3.0, 1.0, 2.0, 2.0, 9.0],
    [10.0, 9.0, 8.0, 7.0, 6.0, 5.0],
    [float(rng.randint(0, 5)) for _ in range(30)],
    [rng.lognormvariate(7, 0.4) for _ in range(41)],
    [rng.gauss(100, 15) for _ in range(100)],
]
pairs = [
    ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]),
    ([4.0, 5.0, 6.0], [1.0, 2.0, 3.0]),
    ([2.0] * 10, [2.0] * 12),
    ([2.0] * 10, [3.0] * 10),
    ([rng.gauss(0, 1) for _ in range(8)], [rng.gauss(1, 1) for _ in range(9)]),
    ([float(rng.randint(0, 4)) for _ in range(25)], [float(rng.randint(1, 5)) for _ in range(31)]),
    ([rng.lognormvariate(7, 0.4) for _ in range(40)], [rng.lognormvariate(7, 0.4) for _ in range(40)]),
    ([1.0, 2.0, 3.0, 4.0, 9.5], [5.0, 6.0, 7.0, 8.0, 9.0, 10.0]),
]

print("/* SPDX-License-Identifier: Apache-2.0 */")
print("/* Written by tests/tools/statistics-reference.py: do not edit. */")
print("/* clang-format off */")
print("static const struct {\n\tsize_t count;\n\tdouble values[100], mean, p50, p90, p99, low, high;\n} summaries[] = {")
for values in series:
    low, high = median_interval(values)
    numbers = [statistics.fmean(values), statistics.median(values), quantile(values, 90), quantile(values, 99), low, high]
    print(f"\t{{{len(values)}, {c_list(values)}, " + ", ".join(f"{number:.17g}" for number in numbers) + "},")
print("};\n")
print("static const struct {\n\tsize_t first_count, second_count;\n\tdouble first[40], second[40], u, p, exact_p;\n} rank_tests[] = {")
for first, second in pairs:
    u, p = rank_test(first, second)
    print(f"\t{{{len(first)}, {len(second)}, {c_list(first)}, {c_list(second)}, {u:.17g}, {p:.17g}, {exact_p(first, second):.17g}}},")
print("};")
