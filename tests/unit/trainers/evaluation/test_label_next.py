"""Which images are listed to be labelled, in which order, and that the list can be trained from."""

import csv

from ftdata.folders import labels_csv
from trainers.evaluation import label_next


def _row(best, second, unlike=None):
    row = {"predicted": "a", "probability": best, "top": [{"probability": best}, {"probability": second}]}
    return row | ({} if unlike is None else {"unlike": unlike})


def test_the_least_certain_come_first():
    rows = [_row(0.9, 0.1), _row(0.5, 0.4), _row(0.4, 0.39), _row(0.6, 0.2)]
    assert label_next.chosen(rows, 3) == [(2, "least certain"), (1, "least certain"), (3, "least certain")]
    assert [place for place, _ in label_next.chosen(rows, 10)] == [2, 1, 3, 0]


def test_every_other_is_the_most_unlike_and_none_is_listed_twice():
    rows = [_row(0.9, 0.1, 3.0), _row(0.5, 0.4, 0.2), _row(0.4, 0.39, 5.0), _row(0.99, 0.01, 4.0)]
    found = label_next.chosen(rows, 4)
    assert found == [(2, "least certain"), (1, "least certain"), (3, "most unlike"), (0, "least certain")]
    assert label_next.chosen(rows[:1], 1) == [(0, "least certain")]


def test_the_list_is_trained_from_once_its_labels_are_filled_in(tmp_path):
    for name in ("a, b.jpg", "sub/ö.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    path = tmp_path / "label_next.csv"
    rows = [_row(0.9, 0.1, 3.0), _row(0.5, 0.4, 0.2)]
    for _ in range(2):  # without labels it is written anew
        assert label_next.write(path, rows, ["a, b.jpg", "sub/ö.jpg"], 5) == (2, path)
    with path.open(newline="", encoding="utf-8") as stream:
        table = list(csv.DictReader(stream))
    assert [row["file"] for row in table] == ["sub/ö.jpg", "a, b.jpg"]
    assert [row["unlike"] for row in table] == ["0.2", "3"]
    path.write_text(path.read_text().replace(",,least", ",fork,least").replace(",,most", ",spoon,most"))
    labelled = path.read_text()
    assert label_next.write(path, rows, ["a, b.jpg", "sub/ö.jpg"], 5) == (2, tmp_path / "label_next_2.csv")
    assert path.read_text() == labelled
    assert labels_csv.read(str(path), str(tmp_path)).class_names == ("fork", "spoon")
