"""Which pictures are held out: shares, seeds, and groups that stay together."""

import itertools

import numpy as np
import pytest

from ftdata import folder, split

# Frames of the six videos of each class in knifey-spoony's training set.
VIDEOS = {
    "forky": (201, 218, 175, 156, 100, 144),
    "knifey": (239, 207, 257, 191, 181, 135),
    "spoony": (405, 380, 411, 302, 254, 214),
}
CUTLERY_LABELS = np.repeat([0, 1, 2], [sum(frames) for frames in VIDEOS.values()])
CUTLERY_NUMBERS = np.concatenate([np.repeat(range(1, 7), frames) for frames in VIDEOS.values()])


def shares(labels, chosen):
    return np.array([chosen[labels == label].mean() for label in np.unique(labels)])


def assert_groups_whole(groups, chosen):
    assert not set(groups[chosen]) & set(groups[~chosen])


@pytest.mark.parametrize(
    ("sizes", "fraction", "expected"),
    [
        ((100, 40, 20), 0.15, (15, 6, 3)),
        ((100, 41, 19), 0.15, (15, 6, 3)),  # rounded
        ((100, 3, 2), 0.15, (15, 1, 1)),  # at least one
        ((100, 3, 2), 0.9, (90, 2, 1)),  # never all
        ((100, 1, 1), 0.5, (50, 0, 0)),  # a single picture is trained on
        ((994, 1210, 1966), 0.15, (149, 182, 295)),
        ((100, 40, 20), 0.0, (0, 0, 0)),
    ],
)
def test_every_class_gives_its_share(sizes, fraction, expected):
    labels = np.repeat(range(len(sizes)), sizes)
    labels = np.random.default_rng(0).permutation(labels)
    for seed in (0, 1):
        chosen = split.held_out(labels, fraction=fraction, seed=seed)
        assert chosen.dtype == bool
        assert tuple(np.bincount(labels[chosen], minlength=len(sizes))) == expected


def test_class_numbers_need_not_be_consecutive():
    labels = np.repeat([3, 7], 20)
    np.testing.assert_allclose(shares(labels, split.held_out(labels, fraction=0.25, seed=0)), 0.25)
    chosen = split.held_out(labels, fraction=0.25, seed=0, groups=np.arange(40) // 5)
    np.testing.assert_allclose(shares(labels, chosen), 0.25)


@pytest.mark.parametrize("groups", [None, np.arange(200) // 2])
def test_seed_decides(groups):
    labels = np.arange(200) // 2 % 3
    choices = [split.held_out(labels, fraction=0.2, seed=seed, groups=groups) for seed in (0, 0, 1, 2**31 - 1)]
    np.testing.assert_array_equal(choices[0], choices[1])
    for first, second in itertools.combinations(choices[1:], 2):
        assert (first != second).any()


@pytest.mark.parametrize(
    ("pattern", "names", "expected"),
    [
        # the whole match
        (r"\d+", ["a-01.jpg", "b-01.jpg", "b-02.jpg"], [0, 0, 1]),
        # what the parentheses hold, where there are any
        (r"-(\d+)-", ["a-01-1.jpg", "b-01-2.jpg", "b-02-1.jpg"], [0, 0, 1]),
        (r"^(\w+)-(\d+)-", ["a-01-1.jpg", "b-01-2.jpg", "a-01-3.jpg"], [0, 1, 0]),
        (r"^(a|b)(-x)?", ["a-1.jpg", "a-x.jpg", "a-2.jpg"], [0, 1, 0]),  # one part missing
        # a name without a match is alone, even beside its like
        (r"-(\d+)-", ["x.jpg", "a-01-1.jpg", "y.jpg", "b-01-2.jpg"], [0, 1, 2, 1]),
        # the folder counts only where the pattern asks for it
        (r"^(\d)", ["1/20.jpg", "3/21.jpg", "1/5.jpg"], [0, 0, 1]),
        (r"^(\d)/", ["1/20.jpg", "3/21.jpg", "1/5.jpg"], [0, 1, 0]),
    ],
)
def test_group_is_what_the_pattern_matches(pattern, names, expected):
    np.testing.assert_array_equal(split.group_ids(names, pattern), np.array(expected, np.int64), strict=True)


@pytest.mark.parametrize("seed", range(5))
def test_videos_of_each_class_are_held_out_whole_and_close_to_the_share(seed):
    groups = CUTLERY_NUMBERS + 10 * CUTLERY_LABELS
    chosen = split.held_out(CUTLERY_LABELS, fraction=0.15, seed=seed, groups=groups)
    assert_groups_whole(groups, chosen)
    # the best there is: 144 of 994, 181 of 1210 and 302 of 1966, which is 0.0051 off at most
    assert np.abs(shares(CUTLERY_LABELS, chosen) - 0.15).max() <= 0.0051 + 0.01


@pytest.mark.parametrize("seed", range(5))
def test_videos_shared_by_the_classes_are_held_out_whole_and_close_to_the_share(seed):
    chosen = split.held_out(CUTLERY_LABELS, fraction=0.15, seed=seed, groups=CUTLERY_NUMBERS)
    assert_groups_whole(CUTLERY_NUMBERS, chosen)
    assert set(CUTLERY_NUMBERS[chosen]) == {4}  # 0.157, 0.158, 0.154; the next best is 0.041 off


def test_share_is_close_to_the_best_of_all_choices():
    generator = np.random.default_rng(0)
    for case in range(30):
        sizes = generator.integers(0, 30, (8, 3)) + np.eye(8, 3, dtype=int)  # [group, class], no class empty
        sizes[1, :] += 1  # and no class in one group only
        group, label = (axis.ravel() for axis in np.indices(sizes.shape))
        labels, groups = np.repeat(label, sizes.ravel()), np.repeat(group, sizes.ravel())
        chosen = split.held_out(labels, fraction=0.3, seed=case, groups=groups)
        assert_groups_whole(groups, chosen)
        error = np.abs(shares(labels, chosen) - 0.3).max()
        every_choice = np.array(list(itertools.product([0, 1], repeat=8))) @ (sizes / sizes.sum(axis=0))
        usable = ((every_choice > 0) & (every_choice < 1)).all(axis=1)
        assert error <= np.abs(every_choice - 0.3).max(axis=1)[usable].min() + 0.05


def test_thousands_of_groups_across_classes():
    # Of the order of a tenth of a second; a search over all exchanges would take minutes.
    generator = np.random.default_rng(0)
    labels, groups = generator.integers(0, 7, 30_000), generator.integers(0, 3_000, 30_000)
    for fraction in (0.05, 0.15, 0.5):
        chosen = split.held_out(labels, fraction=fraction, seed=0, groups=groups)
        assert_groups_whole(groups, chosen)
        assert np.abs(shares(labels, chosen) - fraction).max() < 0.005


@pytest.mark.parametrize("groups_per_class", [2, 3])
@pytest.mark.parametrize("fraction", [0.01, 0.15, 0.9])
def test_every_class_stays_on_both_sides(fraction, groups_per_class):
    # To hold out nothing would be closer to 0.15 than one of two or three groups.
    labels = np.repeat(range(4), 30)
    chosen = split.held_out(labels, fraction=fraction, seed=0, groups=np.arange(120) // (30 // groups_per_class))
    on_one_side = 1 / groups_per_class
    np.testing.assert_allclose(shares(labels, chosen), on_one_side if fraction < 0.5 else 1 - on_one_side)


def test_class_in_a_single_group_is_refused():
    labels = np.repeat([0, 1], 10)
    groups = np.where(labels == 0, np.arange(20) // 2, 99)
    with pytest.raises(ValueError, match=r"^group_pattern leaves class 1 without a [a-z-]+ image: it has 1 group\(s\)"):
        split.held_out(labels, fraction=0.2, seed=0, groups=groups)


def test_real_videos_never_part(real_photos):
    files = folder.scan(str(real_photos)).splits["train"]
    per_class = split.group_ids(files.names, r"^\w+-\d+")
    shared = split.group_ids(files.names, r"-(\d+)-")
    assert len(files.names) == 4170
    assert (len(np.unique(per_class)), len(np.unique(shared))) == (18, 6)
    for groups in (per_class, shared):
        chosen = split.held_out(files.labels, fraction=0.15, seed=0, groups=groups)
        assert_groups_whole(groups, chosen)
        assert np.abs(shares(files.labels, chosen) - 0.15).max() < 0.016
