"""Folders with the files of a finished run: small, and read like those of a real one."""

import csv
import json

import numpy as np
from PIL import Image
from scipy import special

from trainers.config import TrainConfig, as_dict
from trainers.evaluation import label_reports, label_thresholds, reports
from trainers.evaluation.label_scores import LabelEvaluation
from trainers.evaluation.scores import Evaluation
from trainers.folds import left_out
from trainers.rundir.run_dir import RunDir
from trainers.search.state import State


def make_run(root, class_names=("cat", "dog"), *, phases=("transfer", "finetune"), images=40, **settings):
    """Writes what a run of these classes leaves behind; three images in four are right. Returns the folder."""
    generator = np.random.default_rng(0)
    labels = np.arange(images, dtype=np.int32) % len(class_names)
    logits = generator.normal(0, 0.5, (images, len(class_names)))
    logits[np.arange(images), np.where(np.arange(images) % 4, labels, (labels + 1) % len(class_names))] += 3
    scored = Evaluation(logits, labels)
    data = {"data_set": None, "class_names": list(class_names)}
    data |= {name: {"images": count, "contents": name * 3} for name, count in _counts(images).items()}
    defaults = as_dict(TrainConfig())
    chosen = {**defaults, "model_dir": str(root), "image_dir": "photos", "image_size": 96, **settings}
    record = {
        "settings": chosen,
        "phases": {phase: {"data": data} for phase in phases},
        "versions": {"python": "3.11", "keras": "3.15"},
        "command_line": ["main.py", "--image_dir=photos", f"--model_dir={root}", "--phase=finetune"],
    }
    _write(root / "config.json", record)
    for phase in phases:
        metrics = {
            **{"phase": phase, "step": 10, "epoch": 2, "monitor": "accuracy", "loss": 0.5, "accuracy": 0.9},
            **{"validation_loss": 0.4, "validation_accuracy": 0.8, "images_per_second": 123.4},
            **{"input_wait_fraction": 0.02, "seconds": 12.3, "weights_sha256": phase * 8},
            **reports.scores(scored, class_names),
        }
        _write(root / phase / "metrics.json", metrics)
        with (root / phase / "history.csv").open("w", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(["epoch", "loss", "accuracy", "validation_loss", "validation_accuracy", "learning_rate"])
            table.writerows([[0, "", "", 1.0, 0.3, ""], [1, 0.9, 0.5, 0.7, 0.6, 0.01], [2, 0.5, 0.9, 0.4, 0.8, 0.001]])
        image(root / phase / "augmented.png", side=48)
        names = [f"test/{k}.jpg" for k in range(images)]
        reports.write_report(root / "evaluation", scored, names=names, metrics=metrics, drawn={})
    image(root / "samples.png", side=48)
    if phases:
        image(root / "evaluation/mistakes.png", side=48)
    return root


def make_label_run(root, class_names=("cat", "dog"), *, phases=("transfer", "finetune"), images=40, **settings):
    """The same with several labels an image: the last class on a tenth of the images. Returns the folder."""
    make_run(
        root, class_names, phases=phases, images=images, **{"task": "multi", "labels_csv": "labels.csv", **settings}
    )
    generator = np.random.default_rng(0)
    logits = np.round(generator.normal(-1, 2, (images, len(class_names))), 2)
    labels = (generator.random(logits.shape) < special.expit(logits)).astype(np.float32)
    labels[:, -1] = np.argsort(np.argsort(-logits[:, -1])) < images / 10
    for phase in phases:
        found = label_thresholds.recorded(LabelEvaluation(logits, labels), class_names)
        scored = LabelEvaluation(logits, labels).with_thresholds(label_thresholds.of_metrics(found, class_names))
        path = root / phase / "metrics.json"
        metrics = {**json.loads(path.read_text()), "monitor": "map", "validation_map": 0.7, **found}
        del metrics["confusion_matrix"]
        metrics |= label_reports.scores(scored, class_names)
        _write(path, metrics)
        names = [f"test/{k}.jpg" for k in range(images)]
        label_reports.write_report(root / "evaluation", scored, names=names, metrics=metrics, drawn={})
    return root


def _counts(images):
    return {"train": 10 * images, "validation": images, "test": images}


def add_evaluation(root):
    """What `--phase=evaluate --none_of_these=0.9` adds."""
    path = root / "evaluation/metrics.json"
    metrics = json.loads(path.read_text())
    group = {"images": 20, "coverage": 0.9}
    none = {"coverage": 0.9, "test_coverage": 0.88, "groups": {"01": group}, "images": 20}
    none["others"] = {"rendered things": {"images": 50, "missed": 0.06}}
    found = {"expected_calibration_error": 0.05, "temperature": 1.3, "calibrated_expected_calibration_error": 0.02}
    _write(path, {**metrics, **found, "data_set": "photos", "none_of_these": none})
    image(root / "evaluation/grad_cam.png", side=48)


def add_estimate(root, class_names=("cat", "dog")):
    """What `--phase=estimate` adds."""
    groups = {"01": {"images": 30, "accuracy": 0.4, "recall": {class_names[0]: 0.4}}}
    groups["02"] = {"images": 20, "accuracy": 0.6, "recall": {class_names[1]: 0.6}}
    expected = {"expected_new_group_accuracy": 0.5, "expected_new_group_interval": [0.3, 0.7]}
    known = {"new_group_range": [0.1, 0.9], "random_split_accuracy": 0.95, "groups": groups}
    matrix = {"class_names": list(class_names), "confusion_matrix": [[12, 18], [8, 12]]}
    _write(root / "estimate/metrics.json", {**expected, **known, **matrix, "data_set": "photos"})


def add_search(root):
    """What `--time_budget` adds: a network that has no time, three recipes of another, the first chosen. Returns the
    names of the recipes."""
    network = {"backbone": "MobileNetV2", "backbone_args": {"alpha": 0.35}, "weights": "imagenet"}
    slow = {"backbone": "VGG16", "backbone_args": None, "weights": "imagenet"}
    state = State(root / "search.json", {})
    state.put("networks", [network, slow])
    scores = {"a": 0.5, "b": 0.7, "c": 0.6}
    judged = {"folds": 3, "scores": scores, "metrics": {"validation_accuracy": 0.6}, "seconds": 30.0}
    state.add("heads", "MobileNetV2 0.35, head alone", judged)
    state.add("dropped", "VGG16, head alone", "it would take 40.0 min")
    names = ["MobileNetV2 0.35, plain", "MobileNetV2 0.35, colors", "MobileNetV2 0.35, any way up"]
    trials = [{"name": name, "network": network, "changes": {}} for name in names]
    state.put("schedule", {"trials": trials, "levels": [[2, 3]]})
    interval = {"validation_accuracy": 0.75, "expected_new_group_interval": [0.6, 0.9]}
    scores = {"a": 0.75, "b": 0.8, "c": 0.7}
    state.add("trials", names[0], {**judged, "scores": scores, "metrics": interval, "seconds": 120.0})
    state.add("trials", names[1], {**judged, "folds": 1, "scores": {"b": 0.4}, "metrics": {"validation_accuracy": 0.4}})
    state.fail(names[2], "killed by SIGKILL, as when memory runs out")
    state.put("chosen", {"name": names[0], "score": 0.75, "among": 2, "optimism": 0.0123, "monitor": "accuracy"})
    return names


def add_folds(root, class_names=("cat", "dog"), *, groups=("01", "02"), each=30, listed=True):
    """What `--folds=groups` leaves behind: a fold for each group, whose images are right but for the first of each
    class; with the list of training images where `listed`."""
    count, classes = each * len(groups), len(class_names)
    labels, of_group = np.arange(count, dtype=np.int32) % classes, np.arange(count) // each
    logits = np.zeros((count, classes))
    is_wrong = np.arange(count) % each < classes
    logits[np.arange(count), np.where(is_wrong, (labels + 1) % classes, labels)] = 2
    scored = Evaluation(logits, labels)
    record = json.loads((root / "config.json").read_text())
    record["settings"] |= {"folds": "groups", "group_pattern": r"-(\d+)-"}
    for number, group in enumerate(groups):
        folder = root / f"folds/{number + 1:02}-{group}"
        _write(folder / "config.json", {"phases": {"finetune": {"data": {"validation": {"images": each}}}}})
        (folder / "finetune").mkdir()
        with (folder / "finetune/history.csv").open("w", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(
                ["epoch", "validation_loss", "validation_accuracy", "validation_accuracy_ema_0.9", "seconds"]
            )
            table.writerows([[0, 1.0, 0.5 + number / 10, 0.4, 2], [1, 0.8, 0.7 + number / 10, 0.6, 3]])
    left_out.keep(RunDir(root), "finetune", scored)
    found = json.loads((root / "finetune/metrics.json").read_text())
    shares = {group: float(np.mean(~is_wrong[of_group == number])) for number, group in enumerate(groups)}
    expected = {"expected_new_group_accuracy": float(np.mean(list(shares.values()))), "groups": shares}
    found |= {**expected, "chosen_among": 2, "temperature": 0.5, "temperature_images": count}
    _write(root / "finetune/metrics.json", found)
    for data in record["phases"].values():
        data["data"] |= {"train": {"images": count, "contents": "x"}, "validation": {"images": 0, "contents": "y"}}
    _write(root / "config.json", record)
    names = [
        f"{class_names[label]}-{groups[place]}-{k}.jpg"
        for k, (label, place) in enumerate(zip(labels, of_group, strict=True))
    ]
    if listed:
        add_list(root, [("train", class_names[label], name) for label, name in zip(labels, names, strict=True)])


def add_list(root, images):
    """The list of images of a receipt: (split, class, name) of each."""
    lines = ["\t".join((split, json.dumps(of), "ab" * 16, json.dumps(name))) + "\n" for split, of, name in images]
    (root / "receipt_images.txt").write_text("".join(lines))


def add_findings(root):
    """What `--phase=check` adds."""
    leak = {"look_alikes": 9, "share": 0.2, "examples": []}
    lines = {"data": ["cat 20", "dog 20"], "leakage": ["warning: 9 of 40"]}
    advice = {"--group_pattern='(x)'": "frames of a video"}
    _write(root / "check.json", {"leakage": {"validation": leak}, "advice": advice, "lines": lines})


def add_exports(root, class_names=("cat", "dog"), *, files=None, phase="finetune", **values):
    """What `--phase=export` adds; `files` by format."""
    rows = []
    for kind, file in (files or {"litert": "model.tflite"}).items():
        row = {"format": kind, "file": file, "call": "call", "bytes": 2**20, "max_probability_difference": 1e-6}
        rows.append(
            {**row, "label_agreement": 1.0, "accuracy": 0.75, "latency_ms": {"1": {"p50": 1.5}}, "is_within": True}
        )
    found = {"temperature": 1.3, "temperature_images": 40, "test_time_augmentation": "none", "none_of_these": None}
    found |= {"image_size": 96, "resize": "stretch", "interpolation": "bilinear", "jpeg_decode": "full", "images": 40}
    found |= {"test_images": 40, "golden": 0}
    found |= {"model": f"{root}/{phase}/best.keras", "class_names": list(class_names), "exports": rows}
    _write(root / "export/parity.json", {**found, **values})


def image(path, *, side):
    """Writes a PNG of noise, which no encoder makes small."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (side, side, 3), np.uint8)).save(path, compress_level=0)


def _write(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))
