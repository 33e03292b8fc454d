"""The data doctor: the data and the plan, looked at without training. Writes nothing."""

import dataclasses
import math
import textwrap
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras

from ftdata.augment import augmentation
from ftdata.cache import tiers
from ftdata.config import DataConfig
from ftdata.errors import UserError
from ftdata.log import log
from ftdata.names import counted
from trainers.config import ModelConfig, epochs_and_rate, other_channels
from trainers.doctor import findings
from trainers.doctor.findings import Facts, Finding
from trainers.doctor.survey import survey
from trainers.models import classifier, lora, trainable
from trainers.models.cut import cut
from trainers.models.layer_names import layers_of
from trainers.runtime.devices import runs_on_gpu
from trainers.training import feature_views, misfits
from trainers.training.context import RunContext
from trainers.training.plan import make_plan


def check(context: RunContext, data: DataConfig) -> Facts:
    """Prints what there is to say about the data and about what a run would do; trains and writes nothing.

    Args:
      context: of that run, with all its phases and no images open.
      data: where its images lie and how they are read.

    Returns:
      What was found, as JSON values: a dict for each section, `advice`, reasons by flag, and what was printed of each
      section, `lines`.

    Raises:
      UserError: after the report, what would stop a run before it trains.
    """
    began = time.perf_counter()
    config, source = context.config, context.source
    count = sum(map(len, source.splits.values()))
    log.info(f"{source.name}: looking at {counted(count, 'image')}")
    surveys = survey(source.splits, channels=config.channels)
    plan, refusal = _training(context)
    sections = {
        "data": findings.balance(source, class_weight=config.training.class_weight),
        "images": findings.sizes(data, source, surveys),
        "leakage": findings.leakage(data, source, surveys, seed=config.seed),
        "machine": _machine(context, data),
        "training": plan,
    }
    for name, section in sections.items():
        _print(name, section.lines)
    advice = dict(entry for section in sections.values() for entry in section.advice)
    warns = any(line.startswith("warning: ") for section in sections.values() for line in section.lines)
    _print("advice", advised(advice, is_refused=refusal is not None, warns=warns))
    log.info(f"nothing was trained ({time.perf_counter() - began:.0f} s)")
    if refusal:
        raise refusal
    facts = {name: section.facts for name, section in sections.items()}
    return {**facts, "advice": advice, "lines": {name: list(section.lines) for name, section in sections.items()}}


def advised(advice: Mapping[str, str], *, is_refused: bool, warns: bool = False) -> list[str]:
    """The lines of the advice, reasons by flag; that there is none is said only of settings that a run takes."""
    lines = [f"{flag}  ({reason})" for flag, reason in advice.items()]
    if is_refused:
        return ["first of all what the error at the end says: a run would stop there before it trains", *lines]
    if warns and not lines:
        return ["none on the settings: look at what the warnings above name"]
    return lines or ["none: nothing speaks against these settings"]


def _print(name: str, lines: Sequence[str]) -> None:
    """A section of the report, its name in a column of its own."""
    wrapper = textwrap.TextWrapper(110, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)
    texts = [wrapper.fill(line) for line in lines]
    texts = [line if line.startswith(" ") else text for line, text in zip(lines, texts, strict=True)]  # a table's head
    log.info(f"{name:<10}" + textwrap.indent("\n".join(texts), " " * 10)[10:])


def _machine(context: RunContext, data: DataConfig) -> Finding:
    """Devices, precision, compilation, and where decoded images would be kept."""
    config, source = context.config, context.source
    on_gpu = runs_on_gpu(context.strategy)
    held_out = len(source.validation) + len(source.test)
    plan = tiers.plan(data, train=len(source.train), held_out=held_out, on_gpu=on_gpu)
    lines = (context.hardware, f"cache: {plan.reason}")
    facts = {"on_gpu": on_gpu, "precision": config.precision, "cache": plan.tiers[0]}
    advice: tuple[tuple[str, str], ...] = ()
    if plan.tiers[0] == "none" and data.cache == "auto":
        advice = (("a smaller --image_size, or more memory or disk", "no cache holds the decoded images"),)
    return Finding(lines, advice, facts)


def _training(context: RunContext) -> tuple[Finding, ValueError | None]:
    """What would train in each phase, and what would stop it."""
    config, mismatch = context.config, None
    if config.training.folds:  # as a run has them
        context = dataclasses.replace(context, source=context.source.pooled())
    try:
        context.record.compare(context.run_dir, context.source)
    except UserError as error:
        mismatch = error
    network, refusal = _network(context)
    side = config.image_size
    weights = Path(config.model.weights).name  # a whole path would fill the line
    channels = f" of {config.channels} channels" if config.channels != 3 else ""
    lines = [f"{config.model.backbone}, weights {weights}, {side}x{side} pixels{channels} in"]
    lines += other_channels.notes(config.model, config.channels)
    lines += augmentation.notes(config.augment, image_size=side)
    facts = Facts()
    for phase in config.phases:
        plan, (_, rate) = make_plan(phase, context), epochs_and_rate(phase, config.training)
        numbers = f"{plan.epochs} x {plan.steps_per_epoch} steps of {plan.global_batch}, rate {rate:g}"
        numbers = "the head is solved for" if plan.solves_head else numbers
        if network is not None:
            trainable.set_trainable(network, phase, config.model, unfreeze=config.training.unfreeze)
            lora.enable(network, phase, rank=config.training.lora_rank, targets=config.training.lora_targets)
            facts[phase.name] = _counts(network)
            numbers += "; {trainable:,} of {parameters:,} parameters, {layers_trained} of {layers} layers train".format(
                **facts[phase.name]
            )
        lines += [f"{phase.name}: {numbers}", *(f"note: {note}" for note in misfits.misfits(phase, plan, context))]
        if network is not None:
            lines += [*trainable.unfreezing(network, phase, config.training.unfreeze), *lora.in_words(network)]
            lines += feature_views.outlook(cut(network), plan, context)
    return Finding(tuple(lines), (), facts), refusal or mismatch


def _network(context: RunContext) -> tuple[keras.Model | None, ValueError | None]:
    """The model as a run would build it; where its weights cannot be loaded, one without them, and the reason."""

    def build(settings: ModelConfig) -> keras.Model:
        with context.strategy.scope():
            return classifier.build_classifier(
                settings,
                num_classes=len(context.source.class_names),
                image_size=context.config.image_size,
                policy=context.config.precision,
                task=context.config.task,
                channels=context.config.channels,
            )

    settings = context.config.model
    try:
        return build(settings), None
    except ValueError as error:
        if settings.weights == "none" and not settings.init_from:
            return None, error
        try:
            return build(dataclasses.replace(settings, weights="none", init_from=None)), error
        except ValueError:
            return None, error


def _counts(network: keras.Model) -> dict[str, int]:
    base = classifier.base_of(network)
    layers = [part for layer in network.layers for part in (layers_of(base) if layer is base else [layer])]
    return {
        "trainable": sum(math.prod(variable.shape) for variable in network.trainable_variables),
        "parameters": network.count_params(),
        "layers_trained": sum(bool(layer.trainable_variables) for layer in layers),
        "layers": sum(bool(layer.weights) for layer in layers),
    }
