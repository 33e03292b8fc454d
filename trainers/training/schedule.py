"""step -> learning rate. Pure numbers."""

import math

# Of a phase's steps. Common warm-ups take a twentieth (Goyal et al., 2017, arXiv:1706.02677) to a tenth (Devlin et al.,
# 2018, arXiv:1810.04805) of the training; at twice that the rate is still at its highest when the decay begins.
_LONGEST_WARMUP = 0.2


def warmup(steps: int, *, total_steps: int) -> int:
    """The steps of warm-up of a phase: those asked for, or a fifth of its steps where that is less.

    A warm-up as long as the phase would end it before the learning rate is reached.
    """
    return min(steps, int(total_steps * _LONGEST_WARMUP))


def learning_rate(step: int, *, highest: float, total_steps: int, warmup_steps: int, kind: str) -> float:
    """The learning rate of a step.

    Args:
      step: from 0 to total_steps - 1.
      highest: reached after the warm-up.
      total_steps: of the phase.
      warmup_steps: of linear increase from highest / (warmup_steps + 1), capped as in `warmup`.
      kind: `constant`, or `cosine`: half a period down to 0 over the steps after the warm-up
        (Loshchilov and Hutter, 2016, arXiv:1608.03983, without restarts).
    """
    warmup_steps = warmup(warmup_steps, total_steps=total_steps)
    if step < warmup_steps:
        return highest * (step + 1) / (warmup_steps + 1)
    if kind == "constant":
        return highest
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return highest * 0.5 * (1 + math.cos(math.pi * progress))
