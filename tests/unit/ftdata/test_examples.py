"""The examples in the docstrings run, and give what they say."""

import doctest
import importlib

import pytest

_MODULES = (
    *("augmentation", "background", "color", "convolution", "erasing", "grayscale", "hue", "mixing", "rand_augment"),
    *("random_affine", "resized_crop"),
)


@pytest.mark.parametrize("module", [*(f"augment.{name}" for name in _MODULES), "sources.source", "pipeline"])
def test_examples_of_docstrings(module, photo_folder):
    names = {"photos": str(photo_folder)}
    failed, run = doctest.testmod(importlib.import_module(f"ftdata.{module}"), extraglobs=names)
    assert not failed
    assert run
