"""From the accuracy (or mAP) on each group that was left out to what to expect of a new one. numpy and scipy only.

Groups count equally, however many images they have. Two questions have two answers: how well is it done on groups like
these on average, and between which bounds is one more group. Both are t intervals on the logit scale, where an accuracy
has no end to run into.
"""

import dataclasses
import math

import numpy as np

FEWEST_GROUPS = 4  # of fewer a spread says nothing
LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class Expectation:
    """What the accuracy on a new group is expected to be, or its mAP; shares from 0 to 1.

    Attributes:
      mean: over the groups.
      interval: of the mean over groups like these, at the level asked for; None of fewer than four groups.
      new_group_range: of one new group, at the same level; None of fewer than four groups.
    """

    mean: float
    interval: tuple[float, float] | None
    new_group_range: tuple[float, float] | None


def expect(right: np.ndarray, count: np.ndarray, *, level: float = LEVEL) -> Expectation:
    """The expectation of groups of which `right`, int [g], out of `count`, int [g], images were judged correctly.

    A mAP is taken as such a share: `right` is then float [g], the mAP of each group times its images. In draws with 60
    images a group or more the intervals hold the mean in 91 to 97 % and one new group in 93 to 96 %. With 20 images, of
    which a mAP reads too high, the mAP that is measured on one new group lies within in 85 to 91 %.
    """
    mean = float(np.mean(right / count))
    if len(right) < FEWEST_GROUPS:
        return Expectation(mean, None, None)
    low, high, lowest, highest = (float(bound) for bound in bounds(right, count, level=level))
    # the bounds are of slightly less extreme groups; they are not to exclude what was found
    low, lowest, high, highest = min(low, mean), min(lowest, mean), max(high, mean), max(highest, mean)
    return Expectation(mean, (low, high), (lowest, highest))


def bounds(right: np.ndarray, count: np.ndarray, *, level: float) -> np.ndarray:
    """Low and high end of the interval of the mean, and of the range of one new group: float64 [4, ...].

    The interval of the mean m is `logit(m) +- (1 + 1/g) t s / (sqrt(g) m (1 - m))`, with the standard deviation s of
    the groups' accuracies and Student's t of g - 1 degrees of freedom (the delta method). Without the factor 1 + 1/g it
    covers the mean of skewed groups, of which a few are much harder, in 90 % instead of 95 %; with it in 93 % or more,
    and that of symmetric ones in up to 97 % (10,000 draws in the tests). The range of one new group is
    `mean(y) +- t sd(y) sqrt(1 + 1/g)` of the groups' logits y, a prediction interval; what groups give in the mean, a
    single one may give as well. In both each group is given half a right and half a wrong image more, so that none is
    without error.

    Args:
      right: int [..., g], or float as for `expect`.
      count: int [..., g].
      level: such as 0.95.
    """
    from scipy import special, stats

    shares, groups = (right + 0.5) / (count + 1), right.shape[-1]
    t = stats.t.ppf((1 + level) / 2, groups - 1)
    mean, logits = shares.mean(-1), special.logit(shares)
    # groups that happen to agree are still known from so many images only
    deviation = np.maximum(shares.std(-1, ddof=1), np.sqrt((shares * (1 - shares) / count).mean(-1)))
    half = (1 + 1 / groups) * t * deviation / (math.sqrt(groups) * mean * (1 - mean))
    interval = special.expit([special.logit(mean) - half, special.logit(mean) + half])
    spread = t * logits.std(-1, ddof=1) * math.sqrt(1 + 1 / groups)
    one = special.expit([logits.mean(-1) - spread, logits.mean(-1) + spread])
    return np.stack([*interval, np.minimum(interval[0], one[0]), np.maximum(interval[1], one[1])])
