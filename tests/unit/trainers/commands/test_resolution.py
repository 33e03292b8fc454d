"""What is left to the program has a value before anything is built."""

import dataclasses

import pytest

from ftdata.config import DataConfig
from trainers.commands import resolution
from trainers.config import ModelConfig, RuntimeConfig, TrainConfig, TrainingConfig
from trainers.models import precision
from trainers.rundir.run_dir import RunDir, write_json

_NANO = ModelConfig("vgg_nano", weights="objects")


def _resolved(config, tmp_path, *, on_gpu=False):
    return resolution.resolve(resolution.settle(config, RunDir(tmp_path), on_gpu=on_gpu), on_gpu=on_gpu)


def test_nothing_is_left_to_the_program(tmp_path):
    resolved = _resolved(TrainConfig(model=_NANO), tmp_path)
    assert (resolved.image_size, resolved.monitor, resolved.data_service) == (96, "balanced_accuracy", "")
    assert resolved.precision in ("float32", "mixed_bfloat16")
    assert [phase.name for phase in resolved.phases] == ["transfer", "finetune"]


def test_what_the_user_sets_stays(tmp_path):
    config = TrainConfig(
        phase="transfer",
        seed=5,
        model=_NANO,
        data=DataConfig(image_size=40, data_service="grpc://host:5000"),
        training=TrainingConfig(monitor="loss", batch_size=7),
        runtime=RuntimeConfig(mixed_precision="mixed_float16", jit_compile="false"),
    )
    resolved = _resolved(config, tmp_path)
    assert (resolved.image_size, resolved.monitor, resolved.precision) == (40, "loss", "mixed_float16")
    assert (resolved.seed, resolved.data_service, resolved.compile_mode) == (5, "grpc://host:5000", "nothing")
    assert (resolved.training.batch_size, resolved.model) == (7, _NANO)
    assert [phase.name for phase in resolved.phases] == ["transfer"]


@pytest.mark.parametrize(("on_gpu", "compiled"), [(True, "step"), (False, "augmentation")])
def test_the_device_decides_what_is_compiled(on_gpu, compiled, tmp_path):
    config = TrainConfig(model=_NANO, runtime=RuntimeConfig(mixed_precision="float32"))
    assert _resolved(config, tmp_path, on_gpu=on_gpu).compile_mode == compiled


@pytest.mark.parametrize("on_gpu", [True, False])
def test_batch_normalization_is_folded_on_a_cpu_unless_the_run_was_begun_without(on_gpu, tmp_path):
    config = TrainConfig(model=_NANO, runtime=RuntimeConfig(mixed_precision="float32"))
    assert _resolved(config, tmp_path, on_gpu=on_gpu).fold_batch_norm is not on_gpu
    run_dir = RunDir(tmp_path)
    (run_dir.phase("transfer").checkpoints / "step-000000001").mkdir(parents=True)
    write_json(run_dir.config, {"settings": {"image_size": 96}, "phases": {"transfer": {}}})  # by an older version
    assert _resolved(config, tmp_path, on_gpu=on_gpu).fold_batch_norm is False
    write_json(run_dir.config, {"settings": {"fold_batch_norm": "true"}, "phases": {"transfer": {}}})
    assert _resolved(config, tmp_path, on_gpu=on_gpu).fold_batch_norm is True


def test_a_check_looks_at_all_phases_and_records_what_finetune_would(tmp_path):
    check, finetune = (dataclasses.replace(TrainConfig(model=_NANO), phase=name) for name in ("check", "finetune"))
    assert _resolved(check, tmp_path).phases == _resolved(finetune, tmp_path).phases
    assert resolution.record_of(check).deciding == resolution.record_of(finetune).deciding


_MOBILE = ModelConfig("MobileNetV2")


@pytest.mark.parametrize(
    ("model", "runtime", "phase", "precision"),
    [
        (_NANO, RuntimeConfig(), "finetune", "mixed_bfloat16"),
        (_MOBILE, RuntimeConfig(), "finetune", "mixed_bfloat16"),
        (ModelConfig("EfficientNetLite0"), RuntimeConfig(), "transfer", "mixed_bfloat16"),
        (_MOBILE, RuntimeConfig(fold_batch_norm="false"), "finetune", "float32"),
        (dataclasses.replace(_MOBILE, weights="none"), RuntimeConfig(), "finetune", "float32"),  # its batch norm trains
        (dataclasses.replace(_MOBILE, train_batch_norm=True), RuntimeConfig(), "finetune", "float32"),
        (dataclasses.replace(_MOBILE, weights="none", train_batch_norm=False), RuntimeConfig(), "pretrain", "float32"),
        (ModelConfig("Xception"), RuntimeConfig(), "finetune", "float32"),
        (ModelConfig("ConvNeXtTiny"), RuntimeConfig(), "finetune", "float32"),
    ],
    ids=lambda value: getattr(value, "backbone", None),
)
def test_bfloat16_on_a_cpu_where_it_is_fast_and_exact(model, runtime, phase, precision, tmp_path, monkeypatch):
    monkeypatch.setattr("trainers.models.precision.cpu_has_bfloat16", lambda: True)  # whatever this one has
    config = TrainConfig(model=model, runtime=runtime, phase=phase)
    assert resolution.settle(config, RunDir(tmp_path), on_gpu=False).runtime.mixed_precision == precision


def test_a_run_keeps_the_precision_that_it_was_begun_in(tmp_path, monkeypatch):
    monkeypatch.setattr("trainers.models.precision.cpu_has_bfloat16", lambda: True)
    write_json(tmp_path / "transfer/metrics.json", {})
    settings = {"mixed_precision": "float32", "backbone": "MobileNetV2"}
    write_json(tmp_path / "config.json", {"settings": settings, "phases": {"transfer": {}}})
    settled = resolution.settle(TrainConfig(model=_MOBILE), RunDir(tmp_path), on_gpu=False)
    assert settled.runtime.mixed_precision == "float32"


@pytest.mark.parametrize("told", ["0", "false", "False"])
def test_without_onednn_a_cpu_has_no_bfloat16(told, monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", told)
    assert not precision.cpu_has_bfloat16()


def test_bfloat16_that_is_asked_for_where_it_is_inexact_is_warned_of(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    config = TrainConfig(model=_NANO, runtime=RuntimeConfig(mixed_precision="mixed_bfloat16"))
    assert resolution.settle(config, RunDir(tmp_path), on_gpu=False).runtime.mixed_precision == "mixed_bfloat16"
    assert "use --mixed_precision=float32" in "".join(capsys.readouterr())
