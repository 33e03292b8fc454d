"""How often an estimate's interval holds the truth, by its whole path: 60 rendered scenes, of which few are known."""

import dataclasses

import numpy as np
import pytest

from tests.configs import make_config, open_context

SCENES, IMAGES = 60, 6  # images of each class in each scene
SIZE = 96
DRAWS, NOMINAL = 100, 0.9


def _photograph_scenes(folder):
    """Each scene has a surface of its own, of which every image shows another part, and a light and haze of its own."""
    from ftdata.datasets.cutlery import photos, shapes
    from ftdata.datasets.rendering import backgrounds, rendering

    for scene in range(SCENES):
        own = np.random.default_rng((1, scene))
        family = str(own.choice(list(backgrounds.FAMILIES)))
        surface = backgrounds.draw(family, size=3 * SIZE, rng=own)
        tint, haze, zoom = own.uniform(0.6, 1.1, 3), own.uniform(0, 0.5), own.uniform(0.6, 1.2)

        def part(size, rng, surface=surface):
            top, left = rng.integers(0, len(surface) - size, 2)
            return surface[top : top + size, left : left + size].copy()

        backgrounds.FAMILIES["scene"] = part
        try:
            for label, class_name in enumerate(photos.CLASS_NAMES):
                for split in ("train", "test"):
                    (folder / split / class_name).mkdir(parents=True, exist_ok=True)
                for number in range(IMAGES):
                    rng = np.random.default_rng((2, scene, label, number))
                    drawn = rendering.Scene(shapes.parts(class_name, rng=rng), "scene", zoom=zoom)
                    image = rendering.photograph(drawn, size=SIZE, rng=rng) * tint * (1 - haze) + 200 * haze * tint
                    split = "train" if (scene, number) > (0, 0) else "test"  # which has to hold something
                    path = folder / split / class_name / f"{class_name}-{scene:02}-{number:02}.jpg"
                    path.write_bytes(rendering.jpeg(np.clip(image, 0, 255).astype(np.uint8)))
        finally:
            del backgrounds.FAMILIES["scene"]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """The labels, the scene of each image, and what the frozen network makes of them."""
    from trainers.folds import frozen

    folder = tmp_path_factory.mktemp("scenes")
    _photograph_scenes(folder / "images")
    config = make_config(folder / "images", folder / "run")
    data = dataclasses.replace(
        config.data, image_size=SIZE, validation_fraction=0.0, group_pattern=r"-(\d+)-", data_dir=str(folder / "kept")
    )
    context = open_context(dataclasses.replace(config, data=data))
    groups = np.array([int(name.split("-")[-2]) for name in context.source.train.names])
    return context.source.train.labels, groups, frozen.features_of(frozen.frozen_part(context), context)


@pytest.mark.slow
@pytest.mark.parametrize("known", [4, 6])
def test_the_interval_of_the_mean_holds_the_truth_as_often_as_it_says(scenes, known):
    from ftdata.sources.weighting import class_weights
    from trainers.folds import division, frozen
    from trainers.folds.expectation import expect
    from trainers.training import logistic_head

    labels, groups, features = scenes
    names = ("forky", "knifey", "spoony")
    means, truths, held, held_one = [], [], 0, 0.0
    for draw in range(DRAWS):
        chosen = np.random.default_rng((3, known, draw)).choice(SCENES, known, replace=False)
        inside = np.isin(groups, chosen)
        own, own_groups = labels[inside], np.searchsorted(np.sort(chosen), groups[inside])
        part = dataclasses.replace(features, plain=features.plain[inside], views=features.views[:, inside])
        folds = division.by_groups(own, own_groups, [str(scene) for scene in np.sort(chosen)], class_names=names)
        judged = frozen.judged(
            part, own, folds, groups=own_groups, name="s", class_names=names, class_weights="none", monitor="accuracy"
        )
        right = np.bincount(own_groups, judged.predicted == own, known)
        found = expect(right, np.bincount(own_groups), level=NOMINAL)

        weights = dict(enumerate(class_weights(own, names, "none").tolist()))
        (kernel, bias), _, _ = logistic_head.solved(
            part.views, own, weights, groups=own_groups, monitor="accuracy"
        )  # the model that the user gets: of all scenes at hand
        is_right = np.argmax(features.plain @ kernel + bias, axis=-1) == labels
        elsewhere = np.array([is_right[groups == scene].mean() for scene in range(SCENES) if scene not in chosen])
        means.append(found.mean)
        truths.append(elsewhere.mean())
        held += found.interval[0] <= elsewhere.mean() <= found.interval[1]
        held_one += ((found.new_group_range[0] <= elsewhere) & (elsewhere <= found.new_group_range[1])).mean()
    print(
        f"{known} scenes: expected {np.mean(means):.3f}, true {np.mean(truths):.3f} (sd {np.std(truths):.3f}); "
        f"the mean held in {held} of {DRAWS}, a new scene in {held_one / DRAWS:.3f}"
    )
    assert held >= 84
    assert held_one / DRAWS >= 0.84
    assert abs(np.mean(means) - np.mean(truths)) < 0.05
