"""When and where a run was made, of literal files."""

import json

import pytest

from tests.tools import finished_run
from trainers.report import session
from trainers.report.run_files import RunFiles
from trainers.rundir.run_dir import RunDir

_DAY = 1_795_760_265  # 2026-11-27 06:17:45 UTC
_CPU = {"processor": "AMD EPYC", "threads": {"cores": 2}, "devices": "1 CPU", "gpu": []}


def facts_of(root, *, started=None, hardware=None, events=()):
    finished_run.make_run(root)
    for place, seconds in events:
        path = root / place / f"events.out.tfevents.{seconds}.host.1.2.v2"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    if started:
        path = root / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "started": started}))
    if hardware:
        entries = [{"kind": "environment", "hardware": found} for found in hardware]
        (root / "receipt.json").write_text(json.dumps({"entries": entries}))
    return session.facts(RunFiles.read(RunDir(root)))


def test_nothing_is_said_that_no_file_tells(tmp_path):
    assert facts_of(tmp_path) == []


@pytest.mark.parametrize(
    ("started", "events", "said"),
    [
        ("2026-11-27T06:00:00+00:00", [], "started 2026-11-27 06:00 UTC"),
        ("2026-11-27T08:00:00+02:00", [("logs/finetune/hparams", _DAY)], "2026-11-27 06:00 to 06:17 UTC"),
        ("2026-11-26T06:00:00+00:00", [("logs/finetune/hparams", _DAY)], "2026-11-26 06:00 to 2026-11-27 06:17 UTC"),
        (None, [("logs/finetune/hparams", _DAY), ("logs/finetune/train", _DAY - 60)], "2026-11-27 06:16 to 06:17 UTC"),
        (None, [("logs/transfer/train", _DAY), ("folds/01-a/logs/transfer/train", _DAY - 3600)], None),
        (None, [("logs/finetune/hparams", _DAY), ("logs/finetune/train", _DAY - 9)], "2026-11-27 06:17 UTC"),
        ("no date", [], None),
    ],
)
def test_when(started, events, said, tmp_path):
    expected = said or ("started 2026-11-27 05:17 UTC" if events else None)
    assert facts_of(tmp_path, started=started, events=events) == ([("Run", expected)] if expected else [])


@pytest.mark.parametrize(
    ("hardware", "said"),
    [
        ([_CPU], "AMD EPYC, 2 cores, no GPU used"),
        ([_CPU, {**_CPU, "devices": "1 GPU", "gpu": ["NVIDIA H100"]}], "AMD EPYC, 2 cores, NVIDIA H100"),
        ([{**_CPU, "devices": "4 GPU", "gpu": ["NVIDIA H100"]}], "AMD EPYC, 2 cores, 4 x NVIDIA H100"),
    ],
)
def test_where(hardware, said, tmp_path):
    assert facts_of(tmp_path, hardware=hardware) == [("Machine", said)]


@pytest.mark.parametrize("content", ["{", '{"entries": [1]}', '{"entries": [{"kind": "environment"}]}'])
def test_a_damaged_receipt_is_passed_over(content, tmp_path):
    finished_run.make_run(tmp_path)
    (tmp_path / "receipt.json").write_text(content)
    assert session.facts(RunFiles.read(RunDir(tmp_path))) == []
