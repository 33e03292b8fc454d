"""Several runs in TensorBoard's HParams table, as its own back end reads their event files."""

import dataclasses
from pathlib import Path

import pytest
from google.protobuf import json_format
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

from tests.configs import make_config
from trainers.config import deciding
from trainers.training import tensorboard

_METRICS = {
    **{"phase": "finetune", "step": 6, "seconds": 12.5, "images_per_second": 300.0},
    **{"validation_balanced_accuracy": 0.5, "validation_f1_macro": 0.5},
    **{"test_balanced_accuracy": 0.5, "test_f1_macro": 0.5},
    **{"validation_accuracy": 0.5, "validation_loss": 0.75, "test_accuracy": 0.25, "test_loss": 1.5},
}


def table(logdir):
    """(settings, metrics, status) of each row, by its name."""
    multiplexer = plugin_event_multiplexer.EventMultiplexer(tensor_size_guidance={"": 0})
    multiplexer.AddRunsFromDirectory(str(logdir)).Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(logdir))
    context = backend_context.Context(base_plugin.TBContext(data_provider=provider, logdir=str(logdir)))
    wanted = api_pb2.ListSessionGroupsRequest(slice_size=99, allowed_statuses=[api_pb2.STATUS_SUCCESS])
    handler = list_session_groups.Handler(RequestContext(), context, "", wanted)
    rows = {}
    for group in handler.run().session_groups:
        settings = {name: json_format.MessageToDict(value) for name, value in group.hparams.items()}
        rows[group.name] = (settings, {value.name.tag: value.value for value in group.metric_values}, group.sessions)
    return rows


@pytest.fixture
def configs(photo_folder, tmp_path):
    """Two runs that differ in one setting."""
    first = make_config(photo_folder, tmp_path / "first")
    training = dataclasses.replace(first.training, finetune_learning_rate=5e-4, unfreeze=("block4", "block5"))
    return first, dataclasses.replace(first, model_dir=str(tmp_path / "second"), training=training)


def write(folder, config, metrics):
    tensorboard.write_hparams(
        folder, run=Path(config.model_dir), settings=deciding(config, "finetune"), metrics=metrics
    )


def test_two_runs_are_two_rows_with_their_settings_and_final_numbers(configs, tmp_path):
    for number, config in enumerate(configs):
        metrics = {**_METRICS, "test_accuracy": 0.25 * (1 + number)}
        write(tmp_path / "runs" / str(number) / "logs/finetune/hparams", config, metrics)
    rows = table(tmp_path / "runs")
    names = [f"{name} finetune ({tmp_path})" for name in ("first", "second")]
    assert sorted(rows) == names
    (first, numbers, _), (second, others, _) = (rows[name] for name in names)
    assert (first["finetune_learning_rate"], second["finetune_learning_rate"]) == (1e-3, 5e-4)
    assert (first["unfreeze"], second["unfreeze"], first["horizontal_flip"]) == ("all", "block4,block5", True)
    assert "transfer_learning_rate" not in first  # it does not decide the phase's own numbers
    assert (numbers["result/test_accuracy"], others["result/test_accuracy"]) == (0.25, 0.5)
    assert set(numbers) == {f"result/{name}" for name in tensorboard.HPARAMS_METRICS if name in _METRICS}


def test_a_phase_written_again_stays_one_row_and_may_lack_validation(configs, tmp_path):
    folder = tmp_path / "runs/0/logs/finetune/hparams"
    write(folder, configs[0], _METRICS)
    without = {name: None if name.startswith("validation") else value for name, value in _METRICS.items()}
    write(folder, configs[0], without)
    ((_, numbers, sessions),) = table(tmp_path / "runs").values()
    assert len(sessions) == len(list(folder.iterdir())) == 1
    assert "result/test_accuracy" in numbers
    assert "result/validation_accuracy" not in numbers


def test_what_cannot_be_written_is_a_warning(configs, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    write(tmp_path / "file/hparams", configs[0], _METRICS)
    assert capsys.readouterr().out.startswith("warning: TensorBoard's HParams table lacks finetune")
