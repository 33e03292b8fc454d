"""What XLA compiles of a training step."""

# The augmentation alone is best on a CPU: convolutions are faster uncompiled there.
COMPILE_STEP, COMPILE_AUGMENTATION, COMPILE_NOTHING = "step", "augmentation", "nothing"


def compile_mode(jit_compile: str, *, on_gpu: bool) -> str:
    """What XLA compiles for `--jit_compile`; `auto`: the step on a GPU, the augmentation alone on a CPU."""
    if jit_compile == "auto":
        return COMPILE_STEP if on_gpu else COMPILE_AUGMENTATION
    return COMPILE_STEP if jit_compile == "true" else COMPILE_NOTHING
