"""What to write instead of a flag that does not exist: the nearest name, or ours for another program's."""

import difflib
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from ftdata.settings import value_type
from trainers.config import OTHER_PHASES, TRAINING_PHASES, TrainConfig, settings

NO_HINT = "see --help"
_FORM = "write --name=value"

# Names in other programs -> ours. Of these, the ones that the program in hand knows are suggested.
_FOREIGN = {
    "arch architecture base_model model model_name net network": "backbone",
    "aug augmentation": "augment",
    "no_aug no_augment no_augmentation": "augment=false",
    "bs batch mini_batch per_device_train_batch_size train_batch_size": "batch_size",
    "checkpoint ckpt finetune_from load load_weights pretrained pretrained_weights": "init_from weights",
    "checkpoint_dir log_dir logdir name out output output_dir project save_dir work_dir workdir": "model_dir output",
    "checkpoint_freq save_every save_freq save_interval save_period save_steps": "checkpoint_every_steps",
    "cfg config": "flagfile preset",
    "clip_grad clip_norm clipnorm grad_clip max_grad_norm": "gradient_clip_norm",
    "accum accumulate accumulation_steps grad_accum grad_accumulation": "gradient_accumulation_steps",
    "csv labels": "labels_csv",
    "parquet shards tar tars tfrecord tfrecords webdataset": "records",
    "data data_folder data_path dataset_dir dataset_path folder image_folder input root train train_dir": (
        "image_dir dataset"
    ),
    "drop drop_rate": "dropout",
    "ema ema_momentum model_ema model_ema_decay": "ema_decay",
    "layer_wise_decay layerwise_decay llrd lr_layer_decay": "layer_decay",
    "l2_sp l2sp": "l2_start",
    "weight_interpolation wise_ft wiseft": "interpolate_weights",
    "novelty ood ood_detection open_set out_of_distribution reject unknown": "none_of_these",
    "active_learning to_label": "label_next",
    "model_soup fold_soup average_folds": "soup",
    "early_stopping patience": "early_stopping_patience",
    "epoch epochs max_epochs n_epochs num_epochs num_train_epochs": "epochs transfer_epochs finetune_epochs",
    "erasing reprob": "random_erasing",
    "force": "overwrite",
    "format formats": "export_formats",
    "freeze freeze_layers trainable": "unfreeze",
    "half amp bf16 dtype fp16 precision": "precision mixed_precision",
    "img_size image_shape imgsz input_shape input_size resolution size target_size": "image_size",
    "compile jit xla": "jit_compile",
    "base_lr init_lr learning_rate lr lr0 max_lr": "transfer_learning_rate finetune_learning_rate",
    "lr_decay lr_schedule lr_scheduler sched scheduler": "learning_rate_schedule",
    "eval_batch_size": "batch_size",
    "eval evaluate test": "phase=evaluate",
    "inference infer predict": "phase=predict",
    "export": "phase=export",
    "report summary": "phase=report",
    "mode": "phase",
    "file files image source": "images",
    "cutmix": "cutmix_alpha",
    "aa auto_augment autoaugment randaugment": "rand_augment",
    "randconv": "random_convolution",
    "mixup": "mixup_alpha",
    "num_gpus strategy": "distribution_strategy",
    "log_interval log_steps logging_steps": "log_every_steps",
    "opt optim": "optimizer",
    "profile": "profile_steps",
    "random_seed random_state": "seed",
    "smoothing": "label_smoothing",
    "split val_fraction val_size val_split validation_split": "validation_fraction",
    "tta": "test_time_augmentation",
    "metric": "monitor",
    "warmup warmup_epochs": "warmup_steps",
    "wd l2": "weight_decay",
}
_WORDS = {"help": "help", "train": "phase=finetune", "test": "phase=evaluate", "eval": "phase=evaluate"}
_OURS = {foreign: ours.split() for names, ours in _FOREIGN.items() for foreign in names.split()}
_ADVICE = {
    **dict.fromkeys(
        ("cuda", "device", "devices", "gpu", "gpu_id", "gpus"),
        "a GPU is used where there is one; CUDA_VISIBLE_DEVICES in the environment chooses, and -1 there is the CPU",
    ),
    **dict.fromkeys(
        ("j", "num_workers", "threads", "worker", "workers"), "images are decoded on all cores that the process may use"
    ),
    **dict.fromkeys(
        ("resume", "resume_from", "resume_from_checkpoint", "auto_resume"),
        "the same command with the same --model_dir resumes",
    ),
    **dict.fromkeys(("classes", "num_classes", "n_classes"), "the classes are those of the images"),
    **dict.fromkeys(("version", "v"), "`pip show fast-fine-tuning` says the version"),
}


def hint(name: str, known: Collection[str], *, dashes: str = "") -> str:
    """What to write instead of the unknown flag `name`: `did you mean --batch_size?`, or `see --help`.

    Args:
      name: of the flag, without dashes.
      known: names of the flags there are.
      dashes: what is written before the name of a flag.
    """
    plain = name.lower().replace("-", "_")
    squeezed = {other.replace("_", ""): other for other in known}
    same = squeezed.get(plain.replace("_", ""))
    ours = [same] if same else [other for other in _OURS.get(plain, ()) if other.partition("=")[0] in known]
    advice = _ADVICE.get(plain)
    if not ours and advice and set(re.findall(r"--(\w+)", advice)) <= set(known):
        return advice
    ours = ours or difflib.get_close_matches(plain, list(known), n=3)
    ours = ours or [other for other in known if len(plain) > 2 and plain in other][:3]
    if not ours:
        return NO_HINT
    names = [dashes + other for other in ours]
    return f"did you mean {' or '.join([', '.join(names[:-1]), names[-1]] if len(names) > 1 else names)}?"


def stray(word: str, before: Sequence[str], presets: Collection[str]) -> str:
    """What to write instead of `word`, which is no flag: `did you mean --phase=transfer?`.

    Args:
      word: the argument.
      before: the arguments before it.
      presets: names of the presets.
    """
    if not all(argument.isprintable() for argument in (word, *before)):
        return _FORM
    kinds = {field.name: value_type(field.type)[0] for field, _ in settings(TrainConfig())}
    said = _of_the_flag_before(word, before, kinds) or _of_the_word(word, kinds, presets)
    return said or (f"did you mean --image_dir={word}?" if Path(word).is_dir() else _FORM)


def _of_the_flag_before(word: str, before: Sequence[str], kinds: dict[str, type]) -> str | None:
    starts = [index for index, argument in enumerate(before) if argument.startswith("-")]
    if not starts:
        return None
    flag, *values = before[starts[-1] :]
    name, has_value, value = flag.lstrip("-").partition("=")
    values = [value, *values] if has_value else values
    kind = kinds.get(name)
    if name == "images":
        return f"a pattern needs quotes: --{name}='*.jpg'"
    if kind is bool and word.lower() in ("true", "false", "yes", "no", "0", "1"):
        return f"did you mean {flag}={word}?"
    if kind is tuple and values:
        return f"a list has commas and no spaces: --{name}={','.join([*(v.rstrip(',') for v in values), word])}"
    if kind is str and values and not _of_the_word(word, kinds, ()):
        return f"a value with spaces needs quotes: --{name}='{' '.join([*values, word])}'"
    return None


def _of_the_word(word: str, kinds: Collection[str], presets: Collection[str]) -> str | None:
    if re.match(r"[\u2010-\u2015\u2212]", word):  # typographic dashes, as of a text that was copied
        plain = re.sub(r"^[-\u2010-\u2015\u2212]+", "--", word)
        return f"did you mean {plain}, with two hyphens?"
    name, has_value, _ = word.partition("=")
    if has_value and name in kinds:
        return f"did you mean --{word}?"
    if word in TRAINING_PHASES + OTHER_PHASES:
        return f"did you mean --phase={word}?"
    if word in presets:
        return f"did you mean --preset={word}?"
    if word in _WORDS:
        return f"did you mean --{_WORDS[word]}?"
    return None
