"""step -> learning rate. Pure numbers."""

import math


def learning_rate(step: int, *, highest: float, total_steps: int, warmup_steps: int, kind: str) -> float:
    """The learning rate of a step.

    Args:
      step: from 0 to total_steps - 1.
      highest: reached after the warm-up.
      total_steps: of the phase.
      warmup_steps: of linear increase from highest / (warmup_steps + 1).
      kind: `constant`, or `cosine`: half a period down to 0 over the steps after the warm-up
        (Loshchilov and Hutter, 2016, arXiv:1608.03983, without restarts).
    """
    if step < warmup_steps:
        return highest * (step + 1) / (warmup_steps + 1)
    if kind == "constant":
        return highest
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return highest * 0.5 * (1 + math.cos(math.pi * progress))
