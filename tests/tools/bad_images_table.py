"""What the command line says of every kind of bad image, as a table: `python -m tests.tools.bad_images_table`

Each kind of `bad_files` in a run of its own; those of `odd_files.REFUSED` as one run lists them.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests import ROOT
from tests.tools import bad_files, odd_files

_SMALL = (
    *("--backbone=vgg_nano", "--weights=none", "--image_size=32", "--batch_size=4", "--steps_per_epoch=2"),
    *("--transfer_epochs=1", "--finetune_epochs=1", "--cache=memory", "--tensorboard=false"),
)


def main() -> None:
    """Prints a row for each kind alone, for all that are unusual but good, and for all that are bad, skipped."""
    made = {**bad_files.BAD, **bad_files.UNREADABLE}
    print("| input | message | exit code |\n|---|---|---|")
    for name, (file, content, _) in made.items():
        if name != "no permission":  # which stops everybody but root
            _row(name, {file: content})
    for name, reason in _refused_together():
        print(f"| {name} | {reason} | skipped |", flush=True)
    _row("every odd image", {f"{number:03}.jpg": made for number, made in enumerate(odd_files.RIGHT.values())})
    _row("every unusual image", {f"{number}{file}": made for number, (file, made) in _numbered(bad_files.GOOD)})
    _row(
        "every bad image, skipped", {f"{number}{file}": made for number, (file, made, _) in _numbered(made)}, skip=True
    )


def _numbered(kinds: dict) -> list:
    return [(number if len(kind[0]) < 200 else "", kind) for number, kind in enumerate(kinds.values())]


def _refused_together() -> list[tuple[str, str]]:
    """(kind, reason) of each kind of `odd_files.REFUSED`, as bad_images.txt has it."""
    with tempfile.TemporaryDirectory() as folder:
        root = bad_files.write_good(Path(folder) / "photos")
        for name, (content, _) in odd_files.REFUSED.items():
            (root / "blue" / f"{name}.jpg").write_bytes(content)
        subprocess.run(
            [*_command(root, folder), "--on_bad_image=skip", "--max_bad_fraction=1"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        lines = (Path(folder) / "run/bad_images.txt").read_text().splitlines()
    return [(Path(name).stem, reason) for name, reason in (line.split("\t") for line in lines)]


def _command(root: Path, folder: str) -> list[str]:
    command = [sys.executable, "-m", "trainers.main", f"--image_dir={root}", f"--model_dir={folder}/run"]
    return [*command, *_SMALL, f"--data_dir={folder}/data"]


def _row(name: str, files: dict[str, bytes | Callable[[Path], None]], *, skip: bool = False) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = bad_files.write_good(Path(folder) / "photos")
        for file, content in files.items():
            path = root / "blue" / file
            path.write_bytes(content) if isinstance(content, bytes) else content(path)
        command = [*_command(root, folder), f"--on_bad_image={'skip' if skip else 'error'}", "--max_bad_fraction=1"]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        trained = (Path(folder) / "run/finetune/metrics.json").is_file()
    lines = [line.strip() for line in (run.stderr if run.returncode else run.stdout).splitlines() if line.strip()]
    told = [line for line in lines if any(word in line for word in ("blue/", "training and", "skipped"))]
    said = "; ".join(line.replace(folder, "").replace("|", "/") for line in told[:3])
    print(f"| {name} | {said}{'; trained, evaluated' if trained else ''} | {run.returncode} |", flush=True)


if __name__ == "__main__":
    main()
