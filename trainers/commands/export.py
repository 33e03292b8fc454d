"""--phase=export: the trained model in files for others, each read back and compared."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ftdata.cache import tiers
from ftdata.decoding.decode import Decoding
from ftdata.log import log
from ftdata.sources.source import Source
from trainers.commands import compared, label_evaluation, none_of_these, other_images, trained_model
from trainers.commands.evaluator import Evaluator, fit_on_validation, open_own, stored_temperature
from trainers.commands.trained_model import TrainedModel
from trainers.config import TrainConfig, multi_label, other_channels
from trainers.evaluation import label_temperatures
from trainers.export import formats, golden, needed, onnx_format, openvino_format, parity, web
from trainers.export.parity import Samples
from trainers.models import symmetries
from trainers.models.class_names import as_lines
from trainers.report import model_card, page
from trainers.rundir.run_dir import RunDir, write_atomically, write_json
from trainers.runtime.devices import make_strategy, runs_on_gpu
from trainers.runtime.signals import StopRequest

_PATTERN = re.compile(r"\[[^/]*\]|[\\*?]")  # TensorFlow looks for the variables of a SavedModel by a pattern
_REPRESENTATIVE = 100  # training images from which int8 takes its ranges
_ANY_SIZE = {"saved_model", "onnx", "openvino"}  # the formats that take images of any size
_HOW = ("image_size", "channels", "resize", "interpolation", "jpeg_decode")  # images become squares
_OTHERS = 3  # rendered things of a kind, that are none of these


def run(config: TrainConfig, *, stop: StopRequest) -> dict[str, Any]:
    """Writes `config.use.export_formats` and what goes along with them into export/; returns parity.json.

    Raises:
      UserError: no trained model, its images are gone, or a file that does not give the model's answers.
      Interrupted: somebody asked to stop.
    """
    needed.check_installed(config.use.export_formats, web_runtime=config.use.web_runtime)
    run_dir = RunDir(Path(config.model_dir).expanduser())
    model = trained_model.of_run(run_dir)
    network = model.load()
    several = model.task == "multi"
    multi_label.check_use(config.use, task=model.task)
    other_channels.check_use(config.use, channels=model.data.channels)
    source = open_own(config.data, model)
    devices = make_strategy("one_device")
    fold = model.folds(config.runtime.fold_batch_norm, on_gpu=runs_on_gpu(devices))
    views = config.use.test_time_augmentation
    evaluator = Evaluator(
        symmetries.averaged(network, views),
        source,
        model.adapt(config.data),
        batch_size=config.training.batch_size,
        devices=devices,
        jit_compile=config.runtime.jit_compile,
        fold_batch_norm=fold,
        stop=stop,
    )
    found = stored_temperature(run_dir, network, test_time_augmentation=views)
    found = None if several else found or fit_on_validation(evaluator, model if views == "none" else None)
    of_labels = label_evaluation.for_exports(model, evaluator, test_time_augmentation=views) if several else None
    temperature = of_labels.temperatures if of_labels else found.value if found else 1.0
    least = of_labels.thresholds if of_labels else None
    boundary = None if several else none_of_these.kept(run_dir, network)
    final = formats.finished(
        network,
        temperature=temperature,
        test_time_augmentation=views,
        novelty=boundary.novelty if boundary else None,
    )
    folder = run_dir.export
    labels = as_lines(model.class_names)
    write_atomically(folder / "labels.txt", lambda temporary: temporary.write_text(labels, encoding="utf-8"))
    others = other_images.rendered(model.class_names, of_a_kind=_OTHERS) if boundary else []
    samples = compared.choose(evaluator, final, others)
    as_files = compared.at_their_own_sizes(final, samples, Decoding.of(model.data))
    source_of_temperature = (
        found.in_words if found else "temperature 1: no image was held out of the training to fit one on"
    )
    if of_labels:
        source_of_temperature = label_temperatures.in_words(of_labels.stored)
    count = compared.known_count(samples)
    whole = len(source.test)
    on = f"compared on {count:,} {'' if count == whole else f'of the {whole:,} '}test images"
    on += f" and {len(others)} rendered things" if others else ""
    on += f", at their own sizes on {len(as_files.labels):,}" if _ANY_SIZE & {*config.use.export_formats} else ""
    log.info(f"{model.path}\n{source_of_temperature}\n{on}")
    if boundary:
        log.info(f"each gives unlike, above 1 for none of these: {boundary.about['bytes'] / 2**10:.0f} KiB")
    rows: list[dict[str, Any]] = []
    of_litert: dict[str, np.ndarray] = {}
    for kind in stop.between(config.use.export_formats):
        path = folder / formats.FILES[kind]
        more = samples.images[count:]
        _write(kind, path, final, model, source, others=more, web_runtime=config.use.web_runtime, least=least)
        found_rows, answers = parity.check_parity(kind, path, samples, as_files, stop=stop)
        rows += found_rows
        if kind.startswith("litert"):
            of_litert[kind] = answers["call"]["probabilities"]
        log.info("\n".join(_in_words(row) for row in rows if row["format"] == kind))
    calibrated = evaluator.evaluate("test").with_temperature(temperature)
    as_trained = calibrated.probabilities_of(compared.spread(whole, count))
    result = {
        "model": str(model.path),
        "temperature": None if of_labels else temperature,
        "temperature_images": of_labels.stored["images"] if of_labels else found.images if found else 0,
        "test_time_augmentation": views,
        "class_names": list(model.class_names),
        **(of_labels.metrics if of_labels else {}),
        **{name: getattr(model.data, name) for name in _HOW},
        "none_of_these": boundary and dict(boundary.about),
        "images": count,
        "test_images": whole,
        "golden": _golden(folder / "golden", samples, of_litert, model, is_wanted=config.use.golden),
        "as_trained_max_probability_difference": float(
            np.max(np.abs(as_trained - samples.answers["probabilities"][:count]))
        ),
        "exports": rows,
    }
    write_json(folder / "parity.json", result)
    model_card.refresh(run_dir)
    page.refresh(run_dir)
    if "saved_model" in config.use.export_formats and (sign := _PATTERN.search(str(folder.resolve()))):
        saved = folder / "saved_model"
        log.info(f"note: TensorFlow takes {sign[0]} in a path for a pattern: copy {saved} to another folder to load it")
    parity.refuse(rows, report=folder / "parity.json")
    log.info(f"everything is in {folder}")
    return result


def _write(
    kind: str,
    path: Path,
    final: keras.Model,
    model: TrainedModel,
    source: Source,
    *,
    others: np.ndarray,
    web_runtime: str | None,
    least: np.ndarray | None,
) -> None:
    if kind == "saved_model":
        formats.write_saved_model(path, formats.Served(final, model.class_names, model.data, least=least))
    elif kind == "keras":
        write_atomically(path, final.save)
    elif kind == "onnx":
        onnx_format.write_onnx(path, final, model.class_names, Decoding.of(model.data))
    elif kind == "openvino":
        openvino_format.write_openvino(path, final, model.class_names, Decoding.of(model.data))
    elif kind == "web":
        web.write_web(path, final, model.class_names, Decoding.of(model.data), web_runtime=web_runtime)
    else:
        few = source.train.subset(compared.mask(len(source.train), _REPRESENTATIVE))
        images = tiers.open_split(few, model.data, tier="memory") if kind == "litert_int8" else None
        representative = [] if images is None else [*images.take(np.arange(len(few))), *others]
        formats.write_litert(path, final, model.class_names, kind=kind, representative=representative)


def _golden(
    folder: Path, samples: Samples, answers: Mapping[str, np.ndarray], model: TrainedModel, *, is_wanted: bool
) -> int:
    """Writes golden/ for LiteRT files, or removes it where it is not wanted; returns how many images are in it."""
    if is_wanted and answers and model.data.channels != 3:
        log.info("golden/ is left out: its script checks images with Pillow, which reads three channels")
        is_wanted = False
    if not is_wanted:
        golden.remove(folder)
    if not is_wanted or not answers:
        return 0
    return golden.write(folder, samples, answers, model.class_names, Decoding.of(model.data))


def _in_words(row: dict[str, Any]) -> str:
    latency = ", ".join(f"{found['p50']:.1f} ms for {size}" for size, found in row["latency_ms"].items())
    return (
        f"  {row['file'] + ' (' + row['call'] + ')':<34} {row['bytes'] / 2**20:7.2f} MiB  differs by at most "
        f"{row['max_probability_difference']:.1e}, labels agree {row['label_agreement']:.2%}, "
        f"{latency}{'' if row['is_within'] else '  TOO FAR OFF'}"
    )
