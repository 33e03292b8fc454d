"""Pictures of the scenes data set as files, with a CSV of what each shows.

python -m tests.tools.scene_files FOLDER TRAIN TEST [SIZE]
"""

import csv
import sys
from pathlib import Path

from ftdata.datasets.scenes import photos


def write(folder, *, train, test, size=photos.SIZE):
    """Writes so many pictures of each split and labels.csv, with the column `labels`; returns the CSV's path."""
    table = Path(folder) / "labels.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    with table.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["file", "labels", "split"])
        for split, count in {"train": train, "test": test}.items():
            for number in range(1, count + 1):
                name, photo = (
                    photos.file_name(split=split, number=number),
                    photos.photo(split=split, number=number, size=size),
                )
                (table.parent / name).parent.mkdir(exist_ok=True)
                (table.parent / name).write_bytes(photo.jpeg)
                rows.writerow([name, ";".join(photo.labels), split])
    return table


if __name__ == "__main__":
    folder, train, test, *size = sys.argv[1:]
    write(folder, train=int(train), test=int(test), **({"size": int(size[0])} if size else {}))
