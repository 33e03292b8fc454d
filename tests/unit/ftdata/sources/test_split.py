"""Parts of a data set put together again."""

import numpy as np
import pytest

from ftdata.config import DataConfig
from ftdata.sources.source import open_source
from tests.tools.tfds_files import write_tfds


@pytest.mark.parametrize("kind", ["files", "tfds"])
def test_joined_parts_give_the_images_of_both_in_order(kind, photo_folder, tmp_path):
    if kind == "files":
        config = DataConfig(image_dir=str(photo_folder), validation_fraction=0.3)
    else:
        write_tfds(photo_folder, tmp_path, name="colors")
        config = DataConfig(dataset="colors", data_dir=str(tmp_path), validation_fraction=0.3)
    source = open_source(config)
    train, validation = source.train, source.validation
    whole = train.joined(validation)
    encoded = [*train.encoded().as_numpy_iterator(), *validation.encoded().as_numpy_iterator()]
    assert list(whole.encoded().as_numpy_iterator()) == encoded
    assert np.array_equal(whole.labels, np.concatenate([train.labels, validation.labels]))
    assert whole.names == (*train.names, *validation.names)
    some = np.zeros(len(whole), bool)
    some[[1, len(train) - 1, len(train), len(whole) - 1]] = True
    part = whole.subset(some)
    assert list(part.encoded().as_numpy_iterator()) == [encoded[k] for k in np.flatnonzero(some)]
    assert np.array_equal(part.digests, whole.digests[some])
    assert source.pooled().validation.names == ()
    assert source.pooled().train.names == whole.names
