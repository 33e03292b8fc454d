"""What XLA compiles of a training step."""

# The augmentation alone is best on a CPU: convolutions are faster uncompiled there.
COMPILE_STEP, COMPILE_AUGMENTATION, COMPILE_NOTHING = "step", "augmentation", "nothing"


def compile_mode(jit_compile: str, *, on_gpu: bool, deterministic: bool = False) -> str:
    """What XLA compiles for `--jit_compile`; `auto`: the step on a GPU, the augmentation alone on a CPU.

    The augmentation alone on a `deterministic` GPU, too: XLA refuses the gradient of max pooling there (2.21).
    """
    if jit_compile == "auto":
        return COMPILE_STEP if on_gpu and not deterministic else COMPILE_AUGMENTATION
    return COMPILE_STEP if jit_compile == "true" else COMPILE_NOTHING
