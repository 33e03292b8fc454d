"""The table of reports: what goes in comes out, by any order of the files, and what is damaged is as good as absent."""

import numpy as np
import pytest

from ftdata.inspection import examine
from ftdata.inspection.report_table import KeptReports, ReportTable, joined
from ftdata.inspection.reports import FileReport
from tests.tools import bad_files

_REPORTS = (
    FileReport("00" * 16, None, plain=True, pixels=12),
    FileReport(None, "no permission to read it"),
    FileReport("ff" * 16, "truncated JPEG", pixels=50_000_000),
    FileReport("0123456789abcdef" * 2, None, foreign=True, several=True, pixels=3),
)


@pytest.fixture
def table():
    made = ReportTable.empty(len(_REPORTS))
    for place, report in enumerate(_REPORTS):
        made.set(place, report)
        made.stamps[place] = place, 2**60 + place
    return made


def test_reports_come_out_as_they_went_in(table):
    assert list(table) == list(_REPORTS)
    assert table.is_usable.tolist() == [True, False, False, True]
    assert table.has("plain").tolist() == [True, False, False, False]
    assert list(table.at(np.array([3, 1]))) == [_REPORTS[3], _REPORTS[1]]


def test_a_table_that_is_kept_is_found_by_path_in_any_order(table, tmp_path):
    paths = ["a.jpg", "b\udcff.jpg", "c\n.jpg", "ü.jpg"]
    KeptReports(joined(paths), table).save(tmp_path / "kept.npz")
    kept = KeptReports.load(tmp_path / "kept.npz")
    assert list(kept.table) == list(_REPORTS)
    assert kept.table.stamps.tolist() == table.stamps.tolist()
    assert kept.places_of(paths).tolist() == [0, 1, 2, 3]
    assert kept.places_of(["ü.jpg", "new.jpg", "b\udcff.jpg"]).tolist() == [3, -1, 1]


@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04 no archive"])
def test_a_damaged_table_is_of_no_files(content, tmp_path):
    (tmp_path / "kept.npz").write_bytes(content)
    kept = KeptReports.load(tmp_path / "kept.npz")
    assert (kept.count, len(kept.table), kept.places_of(["a"]).tolist()) == (0, 0, [-1])


def test_only_new_files_are_opened_whatever_else_came_or_went(tmp_path, monkeypatch):
    monkeypatch.setattr(examine, "_WORTH_KEEPING_S", 0.0)
    paths = [tmp_path / name for name in ("a.jpg", "b.png", "c.jpg")]
    for path, content in zip(paths, (bad_files.JPEG, bad_files.PNG, bad_files.JPEG[:-9]), strict=True):
        path.write_bytes(content)

    def found(*which):
        reports = examine.inspect_files([str(paths[k]) for k in which], origin=str(tmp_path), keep_in=tmp_path / "kept")
        return [(report.reason, report.pixels > 0) for report in reports]

    assert found(0, 1) == [(None, True), (None, True)]
    opened = []
    read = examine._read
    monkeypatch.setattr(examine, "_read", lambda path: opened.append(path) or read(path))
    assert found(2, 1, 0) == [("truncated JPEG", True), (None, True), (None, True)]
    assert opened == [str(paths[2])]
    assert found(1) == [(None, True)]
    paths[1].unlink()
    assert found(0, 1, 2)[1] == ("a broken link, or gone", False)
    assert opened[1:] == [str(paths[0]), str(paths[2])]  # forgotten, as they were not asked for in between
