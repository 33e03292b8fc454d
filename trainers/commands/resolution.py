"""From what the user set to what is computed with: what is left to the program gets a value here, and nowhere else."""

import dataclasses

from ftdata.log import log
from trainers.config import (
    PHASES,
    ResolvedConfig,
    TrainConfig,
    as_recorded,
    deciding,
    passed_on,
    sequence,
)
from trainers.models import backbones, bfloat16, catalogue, folding, imagenet_weights
from trainers.models.classifier import trains_batch_norm
from trainers.models.precision import cpu_has_bfloat16, resolve_precision
from trainers.rundir import bound
from trainers.rundir.record import RunRecord
from trainers.rundir.run_dir import RunDir
from trainers.runtime.compilation import compile_mode
from trainers.runtime.processes import ALONE, ProcessGroup


def settle(config: TrainConfig, run_dir: RunDir, *, on_gpu: bool, processes: ProcessGroup = ALONE) -> TrainConfig:
    """Replaces what is left to the program by values, those of rank 0.

    They are the backbone, image size, precision, folding and monitor. What an earlier start in the same folder settled
    on is kept, so that a restart on a slightly different machine computes the same numbers.

    Args:
      config: as the user set it.
      run_dir: of the run.
      on_gpu: whether GPUs compute.
      processes: that train together.

    Returns:
      What config.json records; `resolve` makes of it what is computed with.
    """
    backbone, size, policy, fold, monitor = processes.broadcast_object(
        lambda: _settled_values(config, run_dir, on_gpu=on_gpu)
    )
    return dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, backbone=backbone),
        data=dataclasses.replace(config.data, image_size=size),
        runtime=dataclasses.replace(config.runtime, mixed_precision=policy, fold_batch_norm=fold),
        training=dataclasses.replace(config.training, monitor=monitor),
    )


def _settled_values(config: TrainConfig, run_dir: RunDir, *, on_gpu: bool) -> tuple[str, int, str, str, str]:
    """Backbone, image size, dtype policy, folding and monitor."""
    is_bound = not config.overwrite and any(run_dir.is_begun(name) for name in PHASES)
    earlier = bound.recorded(run_dir).get("settings", {}) if is_bound else {}
    backbone, size, policy = config.model.backbone, config.data.image_size, config.runtime.mixed_precision
    if backbone == catalogue.AUTO:
        kept = [name for name in catalogue.CHOICES if name == earlier.get("backbone")]
        backbone = kept[0] if kept else imagenet_weights.chosen(config.model)
    if size is None:
        size = earlier.get("image_size") or backbones.default_size(backbone)
    fold = config.runtime.fold_batch_norm
    if fold == "auto":
        now = str(folding.resolve("auto", on_gpu=on_gpu)).lower()
        fold = {**bound.OLDER, **earlier}["fold_batch_norm"] if earlier else now
    if policy == "auto":
        model = dataclasses.replace(config.model, backbone=backbone)
        is_folded = fold == "true" and not trains_batch_norm(model) and config.phase != "pretrain"
        suits = bfloat16.suits(backbone, is_folded=is_folded)
        policy = earlier.get("mixed_precision") or resolve_precision("auto", on_gpu=on_gpu, suits_bfloat16=suits)
    elif policy == "mixed_bfloat16" and not on_gpu and not cpu_has_bfloat16():
        log.warning(
            "warning: mixed_bfloat16 without a processor that computes in it (or with TF_ENABLE_ONEDNN_OPTS=0) is "
            "slower than float32, and the gradients of biases may be far off: use --mixed_precision=float32"
        )
    monitor = config.training.monitor or earlier.get("monitor") or config.monitored
    return backbone, size, policy, fold, monitor


def resolve(settled: TrainConfig, *, on_gpu: bool) -> ResolvedConfig:
    """What the phases that lead to `settled.phase` compute with; `check` looks at those that lead to finetune,
    `estimate` at transfer."""
    size = settled.data.image_size
    assert size is not None, "settle gives it a value"
    return ResolvedConfig(
        phases=tuple(sequence(_last_phase(settled))),
        seed=settled.seed,
        image_size=size,
        precision=settled.runtime.mixed_precision,
        compile_mode=compile_mode(
            settled.runtime.jit_compile, on_gpu=on_gpu, deterministic=settled.runtime.deterministic
        ),
        fold_batch_norm=folding.resolve(settled.runtime.fold_batch_norm, on_gpu=on_gpu),
        monitor=settled.monitored,
        data_service=settled.data.data_service or "",
        augment=settled.augment,
        model=settled.model,
        training=settled.training,
        runtime=settled.runtime,
        task=settled.data.task,
        channels=settled.data.channels,
    )


def record_of(settled: TrainConfig) -> RunRecord:
    """What config.json is to say of these settings."""
    return RunRecord(
        settings=as_recorded(settled),
        deciding={phase.name: deciding(settled, phase.name) for phase in sequence(_last_phase(settled))},
        inherited=frozenset(passed_on(settled)),
        overwrite=settled.overwrite,
    )


def _last_phase(config: TrainConfig) -> str:
    return {"check": "finetune", "estimate": "transfer"}.get(config.phase, config.phase)
