"""The planner's choice from literal numbers."""

import pytest

from ftdata.cache import planner

_GIB = 2**30
# needed on: device 1 GiB (training images), memory and disk 2 GiB (all of them)
_NEEDED = {"device": _GIB, "memory": 2 * _GIB, "disk": 2 * _GIB}


@pytest.mark.parametrize(
    ("free", "tiers"),
    [
        # a GPU with plenty of room, then everything slower to fall to
        ({"device": 80, "memory": 100, "disk": 100}, ("device", "memory", "disk", "none")),
        ({"device": 2, "memory": 100, "disk": 100}, ("memory", "disk", "none")),  # the model needs the rest of 2 GiB
        ({"device": 0, "memory": 3, "disk": 100}, ("disk", "none")),  # 2 of 3 GiB leave too little for the model
        ({"device": 0, "memory": 4, "disk": 0}, ("memory", "none")),
        ({"device": 0, "memory": 0, "disk": 2}, ("none",)),
    ],
)
def test_auto_takes_the_fastest_that_fits_with_a_margin(free, tiers):
    free = {tier: count * _GIB for tier, count in free.items()}
    assert planner.plan("auto", needed=_NEEDED, free=free).tiers == tiers


@pytest.mark.parametrize(("free", "fits"), [(700, False), (811, False), (812, True), (2000, True)])
def test_a_small_machine_keeps_memory_for_a_network(free, fits):
    assert planner.fits("memory", needed=300 * 2**20, free=free * 2**20) == fits


def test_a_tier_that_is_asked_for_is_taken_alone():
    assert planner.plan("disk", needed=_NEEDED, free=dict.fromkeys(_NEEDED, 0)).tiers == ("disk",)


def test_the_reason_is_one_line_with_sizes():
    free = {"device": 0, "memory": 3 * _GIB, "disk": 500 * _GIB}
    reason = planner.plan("auto", needed=_NEEDED, free=free).reason
    assert reason == "disk (2.0 GiB of 500.0 GiB free); memory needs 2.0 GiB of 3.0 GiB free"
