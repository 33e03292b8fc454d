"""A receipt while its run is written: what a restart takes back comes again, and the chain is that of one go."""

import json

import pytest

from ftdata import load_folder
from ftdata.errors import UserError
from trainers.rundir import image_table, receipt
from trainers.rundir.receipt import Receipt
from trainers.rundir.run_dir import RunDir

_HARDWARE = {"processor": "one", "threads": {"cores": 2}}
_FLAGS = {"flags": {"seed": 0}, "plan": {"epochs": 2}}


@pytest.fixture(scope="module")
def source(photo_folder, tmp_path_factory):
    return load_folder(str(photo_folder), validation_fraction=0.2, data_dir=str(tmp_path_factory.mktemp("examined")))


def _opened(tmp_path, source, hardware=_HARDWARE):
    tmp_path.mkdir(exist_ok=True)
    return Receipt(RunDir(tmp_path), source, hardware=hardware)


def _states(opened, *steps, end=None):
    for step in steps:
        opened.add_state("transfer", step, {"weights": f"after {step}"}, is_end=step == end)


def _straight(tmp_path, source):
    opened = _opened(tmp_path, source)
    assert opened.begin_phase("transfer", _FLAGS, {"begins_at": 0}, step=0)
    _states(opened, 2, 4, 6, end=6)
    opened.finish_phase("transfer", {"accuracy": 1.0})
    return (tmp_path / "receipt.json").read_bytes()


def test_nothing_is_written_before_a_phase_begins(tmp_path, source):
    opened = _opened(tmp_path, source)
    opened.finish_phase("transfer", {"accuracy": 1.0})  # of an older version
    assert opened.digest is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("resumed_from", [0, 2, 3, 5, 6])
def test_a_restart_leaves_the_receipt_of_one_go(tmp_path, source, resumed_from):
    expected = _straight(tmp_path / "alone", source)
    opened = _opened(tmp_path / "killed", source)
    opened.begin_phase("transfer", _FLAGS, {"begins_at": 0}, step=0)
    _states(opened, 2, 4, 6, end=6)  # of which the last checkpoint is lost
    again = _opened(tmp_path / "killed", source)
    assert not again.begin_phase("transfer", _FLAGS, {"begins_at": resumed_from}, step=resumed_from)
    _states(again, *(step for step in (2, 4, 6) if step > resumed_from or step == 6), end=6)
    again.finish_phase("transfer", {"accuracy": 1.0})
    assert (tmp_path / "killed" / "receipt.json").read_bytes() == expected


def test_another_machine_is_recorded_once_where_it_goes_on(tmp_path, source):
    opened = _opened(tmp_path, source)
    opened.begin_phase("transfer", _FLAGS, {"begins_at": 0}, step=0)
    _states(opened, 2)
    other = _opened(tmp_path, source, {**_HARDWARE, "processor": "other"})
    other.begin_phase("transfer", _FLAGS, {"begins_at": 2}, step=2)
    assert len(other.entries) == len(opened.entries)  # it has computed nothing yet
    _states(other, 4, 6, end=6)
    assert [entry["kind"] for entry in other.entries] == [
        *("environment", "data", "phase", "state", "environment", "state", "state"),
    ]


def test_a_phase_with_other_flags_begins_anew(tmp_path, source):
    opened = _opened(tmp_path, source)
    opened.begin_phase("transfer", _FLAGS, {"begins_at": 0}, step=0)
    _states(opened, 2)
    assert opened.begin_phase("transfer", {**_FLAGS, "flags": {"seed": 1}}, {"begins_at": 0}, step=0)
    assert [entry["kind"] for entry in opened.entries] == ["environment", "data", "phase"]


def test_an_altered_receipt_is_not_continued(tmp_path, source):
    _straight(tmp_path, source)
    path = tmp_path / "receipt.json"
    path.write_text(path.read_text().replace("after 4", "after 5"))
    with pytest.raises(UserError, match=r"was altered \(state of transfer, step 4\)"):
        _opened(tmp_path, source)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"format": 1}', "is damaged"),
        ('{"format": 1, "entries": []}', "holds no entries"),
        ('{"format": 1, "entries": [{"digest": "a"}]}', "is damaged"),
        ('{"format": 9, "entries": []}', "is of format 9"),
    ],
)
def test_what_is_no_receipt_is_said_in_a_line(tmp_path, content, said):
    (tmp_path / "receipt.json").write_text(content)
    with pytest.raises(UserError, match=said):
        receipt.read(RunDir(tmp_path))


def test_the_table_names_every_image_and_what_became_of_it(source):
    table = image_table.table(source)
    rows = [line.split("\t") for line in table.decode().splitlines()]
    assert len(rows) == sum(len(split) for split in source.splits.values())
    assert image_table.differences(table, table) == []
    first, second = (json.loads(rows[place][3]) for place in (0, 1))
    altered = [[*rows[0][:2], "0" * 32, rows[0][3]], [rows[1][0], '"red"', *rows[1][2:]], *rows[2:]]
    lines = image_table.differences(table, _joined(altered))
    assert lines[0] == f"1 file with other contents: {first}"
    assert lines[1].startswith(f"1 file with another label: {second} (")
    assert image_table.differences(table, _joined(rows[:-1])) == [f"1 file gone: {json.loads(rows[-1][3])}"]
    assert image_table.differences(table, _joined(rows[::-1])) == ["the images are the same, in another order"]
    moved = [[*rows[0][:3], '"elsewhere.jpg"'], *rows[1:]]
    assert image_table.differences(table, _joined(moved)) == [f"1 file moved: {first}, now elsewhere.jpg"]


def _joined(rows):
    return "".join("\t".join(row) + "\n" for row in rows).encode()
