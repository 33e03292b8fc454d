"""Rates and ratios from a clock that the test winds."""

import numpy as np
import pytest

from benchmarks.harness import timing


class _Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def spend(self, seconds):
        return lambda: setattr(self, "now", self.now + seconds)


def test_rates_are_images_by_seconds_without_the_warm_up():
    clock = _Clock()
    contenders = {
        "slow": timing.Contender(clock.spend(0.5), images=10),
        "fast": timing.Contender(clock.spend(0.125), images=10),
    }
    measured = timing.rates(contenders, repeats=3, warmup=4, least_seconds=0.5, clock=clock)
    assert measured["slow"].tolist() == [20.0] * 3
    assert measured["fast"].tolist() == [80.0] * 3
    assert clock.now == pytest.approx(4 * 0.625 + 3 * 2 * 0.5)  # each measurement lasts at least half a second


def test_contenders_are_interleaved():
    clock, order = _Clock(), []

    def call(name):
        order.append(name)
        clock.now += 1.0

    contenders = {name: timing.Contender(lambda name=name: call(name), images=1) for name in "ab"}
    timing.rates(contenders, repeats=2, warmup=1, least_seconds=0.5, clock=clock)
    assert "".join(order) == "ab" + "ab" * 2


def test_ratios_are_taken_round_by_round():
    # the machine halves its speed in the second round: the ratio does not move, its spread does
    measured = {"base": np.array([100.0, 50.0, 100.0]), "ours": np.array([400.0, 200.0, 400.0])}
    base, ours = timing.rows(measured, baseline="base", batch_size=8)
    assert (base["vs_baseline"], ours["vs_baseline"]) == (1.0, 4.0)
    assert ours["images_per_second"] == {"median": 400.0, "p10": pytest.approx(240.0), "p90": 400.0}
    assert ours["repeats"] == 3
