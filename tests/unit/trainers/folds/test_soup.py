"""The mean of the folds' weights, literally."""

import numpy as np

from trainers.folds import soup


def test_it_is_the_mean_in_the_order_and_the_dtypes_of_the_weights(tmp_path):
    models = [[np.float32([1, 2]), np.float16([[k]]), np.uint32([k, 5]), np.float32(k)] for k in (1, 3, 8)]
    paths = [tmp_path / f"{k}.npz" for k in range(3)]
    for path, weights in zip(paths, models, strict=True):
        soup.keep(path, weights)
    found = soup.average(paths)
    assert [value.dtype for value in found] == [np.float32, np.float16, np.uint32, np.float32]
    np.testing.assert_array_equal(found[0], np.float32([1, 2]))  # exact where all are equal
    np.testing.assert_array_equal(found[1], np.float16([[4]]))
    np.testing.assert_array_equal(found[2], [1, 5])  # a seed is not averaged
    assert found[3] == 4
