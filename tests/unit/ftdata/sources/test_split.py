"""Parts of a data set put together again."""

import dataclasses

import numpy as np
import pytest

from ftdata.config import DataConfig
from ftdata.sources.source import open_source
from tests.tools.tfds_files import write_tfds


@pytest.mark.parametrize("kind", ["files", "tfds"])
def test_joined_parts_of_one_set_are_that_set(kind, photo_folder, tmp_path):
    if kind == "files":
        config = DataConfig(image_dir=str(photo_folder), validation_fraction=0.3)
    else:
        write_tfds(photo_folder, tmp_path, name="colors")
        config = DataConfig(dataset="colors", data_dir=str(tmp_path), validation_fraction=0.3)
    source = open_source(config)
    undivided = open_source(dataclasses.replace(config, validation_fraction=0.0)).train
    assert 0 < len(source.validation) < len(undivided)
    _check(source.pooled().train, undivided)
    assert len(source.pooled().validation) == 0


def test_joined_parts_of_two_sets_come_one_after_the_other(photo_folder):
    source = open_source(DataConfig(image_dir=str(photo_folder), validation_fraction=0.3))
    train, test = source.train, source.test
    whole = train.joined(test)
    encoded = [*train.encoded().as_numpy_iterator(), *test.encoded().as_numpy_iterator()]
    assert list(whole.encoded().as_numpy_iterator()) == encoded
    assert np.array_equal(whole.labels, np.concatenate([train.labels, test.labels]))
    assert whole.names == (*train.names, *test.names)
    some = np.zeros(len(whole), bool)
    some[[1, len(train) - 1, len(train), len(whole) - 1]] = True
    part = whole.subset(some)
    assert list(part.encoded().as_numpy_iterator()) == [encoded[k] for k in np.flatnonzero(some)]
    assert np.array_equal(part.digests, whole.digests[some])


def _check(split, other):
    assert split.names == other.names
    for name in ("labels", "positions", "digests"):
        assert np.array_equal(getattr(split, name), getattr(other, name))
    assert list(split.encoded().as_numpy_iterator()) == list(other.encoded().as_numpy_iterator())
