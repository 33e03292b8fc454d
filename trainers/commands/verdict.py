"""What held a run back, in one sentence."""

# Waiting for input for more than this share of the time is worth mending.
_INPUT_BOUND = 0.05
# A step shorter than this, seconds, on an accelerator is about what starting its programs takes.
_LAUNCH_BOUND = 0.004


def describe_bottleneck(*, input_wait_fraction: float, seconds_per_step: float, on_gpu: bool, tier: str) -> str:
    """Whether training was input-bound, launch-bound or compute-bound, with the shares and what would help.

    Args:
      input_wait_fraction: share of the training time spent waiting for a batch.
      seconds_per_step: of a training step, waiting included.
      on_gpu: whether the steps ran on an accelerator.
      tier: the cache tier of the training pictures.
    """
    shares = f"{input_wait_fraction:.1%} of the time waiting for input, {1 - input_wait_fraction:.1%} computing"
    if input_wait_fraction > _INPUT_BOUND:
        faster = {"none": "--cache=disk", "disk": "--cache=memory", "memory": "--cache=device"}.get(tier)
        if faster == "--cache=device" and not on_gpu:
            faster = None
        return f"input-bound: {shares}; {faster or 'fewer other programs beside it'} would help"
    if on_gpu and seconds_per_step < _LAUNCH_BOUND:
        return f"launch-bound: {shares}, in steps of {seconds_per_step * 1e3:.1f} ms; a larger --batch_size would help"
    helps = "--mixed_precision, a smaller --image_size or --backbone" if not on_gpu else "a smaller --backbone"
    return f"compute-bound: {shares}; {helps} would help, faster input would not"
