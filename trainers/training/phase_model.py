"""The model that a phase trains: built, frozen as the phase asks, with its starting weights and its optimizer."""

import keras

from ftdata.errors import UserError
from trainers.config import PHASES, Phase, TrainingConfig
from trainers.models import depth, lora
from trainers.models.classifier import build_classifier, load_weights
from trainers.models.repeatable import check_repeatable
from trainers.models.trainable import (
    check_unfreeze,
    is_synchronized,
    kernels_of_base,
    moving_statistics,
    set_trainable,
)
from trainers.runtime.devices import runs_on_gpu, seed_everything
from trainers.training.context import RunContext
from trainers.training.optimizer import build_optimizer, make_optimizer


def build_first(context: RunContext) -> dict[str, keras.Model]:
    """The model of the first phase that is not finished, by the phase's name; empty if all are.

    Building it early finds settings of the model that cannot be used before the images are decoded.

    Raises:
      UserError: such settings.
    """

    def unfinished() -> list[str]:
        names = [phase.name for phase in context.config.phases]
        return [name for name in names if context.record.overwrite or not context.run_dir.phase(name).metrics.is_file()]

    return {name: build(PHASES[name], context) for name in context.processes.broadcast_object(unfinished)[:1]}


def rate_factors(network: keras.Model, phase: Phase, config: TrainingConfig) -> list[float]:
    """What the learning rate of each trainable variable is multiplied by in a phase; empty for 1 in all."""
    return depth.rate_factors(network, config.layer_decay) if phase.starts_from and config.layer_decay != 1 else []


def build(phase: Phase, context: RunContext) -> keras.Model:
    """The model of the phase with its starting weights, compiled with a built optimizer.

    Raises:
      UserError: settings of the model that cannot be used, or a best model of the phase before that does not fit.
    """
    config = context.config
    seed_everything(config.seed, deterministic=config.runtime.deterministic)
    with context.strategy.scope():
        network = build_classifier(
            config.model,
            num_classes=len(context.source.class_names),
            image_size=config.image_size,
            policy=config.precision,
            task=config.task,
            channels=config.channels,
        )
        unfreeze = config.training.unfreeze
        check_unfreeze(network, config.phases, unfreeze)
        rank, targets = config.training.lora_rank, config.training.lora_targets
        if any(each.trains_base == "unfrozen" for each in config.phases):
            lora.check(network, rank=rank, targets=targets)
        replicas = context.strategy.num_replicas_in_sync
        if config.runtime.deterministic and runs_on_gpu(context.strategy):
            for each in config.phases:  # all of them now, not after hours of the first
                set_trainable(network, each, config.model, unfreeze=unfreeze, replicas=replicas)
                check_repeatable(network, each.name)
        set_trainable(network, phase, config.model, unfreeze=unfreeze, replicas=replicas)
        if is_synchronized(network) and config.training.gradient_accumulation_steps > 1:
            raise UserError(
                "gradient_accumulation_steps must be 1 where batch normalization trains on several devices: its "
                "statistics are those of the whole batch"
            )
        if phase.starts_from and context.processes.is_chief:  # the others get them with the start of the phase
            load_weights(network, context.run_dir.phase(phase.starts_from).best)
        lora.enable(
            network, phase, rank=rank, targets=targets
        )  # after the start is loaded, which would make A and B zero
        optimizer = make_optimizer(config.training, policy=config.precision)
        build_optimizer(
            optimizer,
            network.trainable_variables,
            statistics=moving_statistics(network),
            rate_factors=rate_factors(network, phase, config.training),
            penalized=kernels_of_base(network) if phase.starts_from else (),
            penalty=config.training.l2_start,
        )
        network.compile(optimizer=optimizer, jit_compile=False)  # for callbacks, which look for the optimizer
    return network
