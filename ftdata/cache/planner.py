"""Which cache tier: the fastest that fits, with a margin. Pure numbers."""

import dataclasses

TIERS = ("device", "memory", "disk", "none")  # fastest first

# The share of what is free that a cache may take: the rest is the model's, and other programs'.
_SHARES = {"device": 0.4, "memory": 0.6, "disk": 0.8}
# What has to be left in any case: a small network in training, its activations and what TensorFlow loads late.
_LEAST_LEFT = {"device": 0, "memory": 512 * 2**20, "disk": 0}


@dataclasses.dataclass(frozen=True)
class Plan:
    """The tiers to try, in order, and one line that says why."""

    tiers: tuple[str, ...]
    reason: str


def plan(requested: str, *, needed: dict[str, int], free: dict[str, int]) -> Plan:
    """Chooses the tier.

    Args:
      requested: a tier, or `auto`.
      needed: bytes that the tiers `device`, `memory` and `disk` would take.
      free: bytes free for each.

    Returns:
      The tier asked for alone, or with `auto` the fastest that fits and then all slower ones, to fall to if
      filling it fails all the same.
    """
    if requested != "auto":
        return Plan((requested,), f"{requested}, as asked")
    fitting = [tier for tier in TIERS if tier == "none" or fits(tier, needed=needed[tier], free=free[tier])]
    passed_over = [
        f"{tier} needs {_size(needed[tier])} of {_size(free[tier])} free"
        for tier in TIERS[: TIERS.index(fitting[0])]
        if free[tier] > 0
    ]
    chosen = fitting[0]
    takes = f"{chosen} ({_size(needed[chosen])} of {_size(free[chosen])} free)" if chosen != "none" else chosen
    return Plan(tuple(fitting), "; ".join([takes, *passed_over]))


def fits(tier: str, *, needed: int, free: int) -> bool:
    """Whether a tier has room for `needed` bytes, with its margin."""
    return needed <= min(_SHARES[tier] * free, free - _LEAST_LEFT[tier])


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
