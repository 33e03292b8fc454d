"""What XLA compiles, by setting and device."""

import pytest

from trainers.runtime.compilation import compile_mode


@pytest.mark.parametrize(
    ("jit_compile", "on_gpu", "deterministic", "compiled"),
    [
        ("auto", True, False, "step"),
        ("auto", True, True, "augmentation"),
        ("auto", False, False, "augmentation"),
        ("true", False, False, "step"),
        ("true", True, True, "step"),
        ("false", True, False, "nothing"),
    ],
)
def test_compile_mode(jit_compile, on_gpu, deterministic, compiled):
    assert compile_mode(jit_compile, on_gpu=on_gpu, deterministic=deterministic) == compiled
