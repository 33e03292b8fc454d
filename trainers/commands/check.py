"""`--phase=check`: looks at the data and at what a run would do, without training.

It writes nothing but `check.json`, for the report of a run on the same images that lies in model_dir already.
"""

import dataclasses
from typing import Any

import tensorflow as tf

from ftdata.cache.features import FeatureStore
from ftdata.log import log
from ftdata.sources.source import Source
from trainers.commands import estimate, resolution
from trainers.commands.train import make_context, open_data
from trainers.config import TrainConfig
from trainers.doctor import diagnosis
from trainers.doctor.label_errors import LabelErrors
from trainers.refusals import beginning
from trainers.report import page
from trainers.rundir.bound import recorded
from trainers.rundir.fingerprint import data_fingerprint
from trainers.rundir.run_dir import RunDir, write_json
from trainers.runtime.devices import runs_on_gpu


def run(config: TrainConfig, run_dir: RunDir, *, devices: tf.distribute.Strategy) -> dict[str, Any]:
    """Prints the report of the data doctor and returns what it found, as JSON values.

    Raises:
      UserError: what would stop a run before it trains.
    """
    beginning.batch(config.training, config.augment, replicas=devices.num_replicas_in_sync)
    config = resolution.settle(config, run_dir, on_gpu=runs_on_gpu(devices))
    data = dataclasses.replace(config.data, on_bad_image="skip", max_bad_fraction=1.0)  # the doctor names them all
    source = open_data(config, data)
    features = FeatureStore.of(source.train, config.data) if config.training.feature_views else None
    context = dataclasses.replace(make_context(config, source, run_dir, devices), feature_store=features)
    found = diagnosis.check(context, config.data)
    if _is_of_these_images(run_dir, source):
        write_json(run_dir.findings, found)
        page.refresh(run_dir)
        log.info(f"kept in {run_dir.findings}, for the report of the run on these images")
    is_single = config.data.task == "single"  # what an estimate knows is of one class an image
    known = estimate.already_known(config, run_dir, devices=devices) if is_single else None
    if known:
        log.info("\n".join(["--phase=estimate, from features that are kept:", *known.in_words()]))
        wrong = LabelErrors.of(known.at_random)
        if wrong and not wrong.are_too_many:
            log.info(f"{wrong.in_words}: see --phase=estimate")
        return {**found, "estimate": {**known.metrics(), "label_errors": len(wrong)}}
    if config.data.group_pattern and is_single:
        log.info("what to expect on a new group of images: --phase=estimate, with the same flags")
    return found


def _is_of_these_images(run_dir: RunDir, source: Source) -> bool:
    """Whether the folder holds a run on the images of `source`, however they are split."""
    phases = recorded(run_dir)["phases"]
    return bool(phases) and _images(next(iter(phases.values()))["data"]) == _images(data_fingerprint(source))


def _images(data: dict[str, Any]) -> tuple[Any, ...]:
    count = sum(data[name]["images"] for name in ("train", "validation", "test"))
    return data["data_set"], data["class_names"], count
