"""All benchmarks as one dated page with a figure: `python -m benchmarks.report [--quick] [--image_dir=FOLDER]`

Writes <hardware>_<yyyy-mm>.md and .png into benchmarks/results (`--output`). Benchmarks run one after the other, each
in a process of its own; with `--results=FOLDER` the page is made of what they wrote there with `--json`, as NAME.json
or, of several runs of one, NAME-ANYTHING.json (benchmarks/gpu.sh does that).
"""

import datetime
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness import chart, process
from benchmarks.harness.results import table
from flags import benchmark
from trainers.rundir.run_dir import write_atomically

BENCHMARKS = ("augmentation", "input_pipeline", "train_step", "operations", "features", "end_to_end", "scaling")
_HOW = (
    "Contenders take turns within one run, after a warm-up. Rates are medians over the rounds with the 10th and 90th "
    "percentile; ratios are medians of the ratios of the rounds, against the row of each group that reads 1.00."
)


def main(argv: list[str]) -> None:
    """Runs everything and writes the page."""
    flags = benchmark.parse(argv, "image_dir", "output", "results")
    with benchmark.one_line_errors():
        results = _read(Path(flags.results)) if flags.results else _run_all(flags)
    some = next(iter(results.values()))
    stem = f"{file_stem(some['hardware'])}_{datetime.date.today():%Y-%m}" + ("_quick" if flags.quick else "")
    output = Path(flags.output)
    output.mkdir(parents=True, exist_ok=True)
    write_atomically(output / f"{stem}.png", lambda path: chart.draw(results, path))
    text = page(results, figure=f"{stem}.png")
    write_atomically(output / f"{stem}.md", lambda path: path.write_text(text, encoding="utf-8"))
    if flags.json:
        Path(flags.json).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"\nwritten: {output / stem}.md and .png")


def _run_all(flags: Any) -> dict[str, Any]:
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in BENCHMARKS:
            print(f"\n{name}", flush=True)
            results[name] = _run(name, Path(folder) / f"{name}.json", flags)
    return results


def _read(folder: Path) -> dict[str, Any]:
    files = [file for name in BENCHMARKS for file in sorted(folder.glob("*.json")) if file.stem.split("-")[0] == name]
    results = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}
    if not results:
        names = ", ".join(f"{name}.json" for name in BENCHMARKS)
        raise ValueError(f"results must be a folder with {names}, got {folder}")
    return results


def _run(name: str, json_file: Path, flags: Any) -> dict[str, Any]:
    arguments = [f"--json={json_file}"]
    arguments += ["--quick"] if flags.quick else []
    arguments += [f"--image_dir={flags.image_dir}"] if flags.image_dir else []
    with process.quiet_start():
        status = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments]).returncode
    if status:
        sys.exit(status)
    return json.loads(json_file.read_text(encoding="utf-8"))


def file_stem(hardware: str) -> str:
    """`h200` for what `results.hardware` says of an H200; the processor where there is no GPU."""
    processor, gpus = hardware.split("; ", 1)
    name = processor if gpus == "no GPU" else gpus.split(",")[0]
    words = re.findall(r"[a-z0-9]+", name.lower())
    return "_".join(word for word in words if word not in ("nvidia", "of", "tesla"))


def page(results: Mapping[str, Mapping[str, Any]], *, figure: str) -> str:
    """The Markdown page of the JSON of every benchmark, by its name."""
    some = next(iter(results.values()))
    lines = [
        f"# {some['hardware']}, {some['date']}",
        "",
        f"{some['software']}. Made by `python -m benchmarks.report`.",
        _HOW,
        "",
        f"![Images per second of every benchmark]({figure})",
    ]
    for name, result in results.items():
        question = result.get("question", name)
        command = result.get("command", f"python -m benchmarks.{name}")
        lines += ["", f"## {question}", "", f"`{command}`", "", table(result["rows"]), ""]
        lines += [result.get("left_out", "")]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(sys.argv)
