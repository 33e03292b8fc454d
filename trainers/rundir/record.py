"""config.json: what a run was started with, and whether another start may resume it."""

import dataclasses
import datetime
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ftdata.errors import UserError
from ftdata.log import log
from ftdata.sources.source import Source
from trainers.config import PHASES, ModelConfig
from trainers.config.model import hub_folder
from trainers.rundir import seen
from trainers.rundir.fingerprint import (
    code_differences,
    code_versions,
    data_differences,
    data_fingerprint,
    settings_fingerprint,
)
from trainers.rundir.run_dir import RunDir, read_json, write_json

# What runs computed with before there were these settings.
OLDER = {
    **{"fold_batch_norm": "false", "feature_views": 0, "head_solver": "sgd", "folds": None},
    **{"hue": 0.0, "grayscale": 0.0, "rand_augment": None, "random_convolution": 0.0, "background_mixing": 0.0},
    **{"task": "single", "label_separator": None, "channels": 3},
    **{"layer_decay": 1.0, "l2_start": 0.0, "interpolate_weights": False, "soup": False},
    **{"lora_rank": 0, "lora_targets": None},
}


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """The settings of a run as config.json holds and compares them: JSON values by name.

    Attributes:
      settings: all of them, paths whole.
      deciding: for each phase to run, in order, the settings that decide its numbers.
      inherited: the names of those that bind a finished phase too, when another starts from it.
      overwrite: start over, whatever the folder holds.
    """

    settings: Mapping[str, Any]
    deciding: Mapping[str, Mapping[str, Any]]
    inherited: frozenset[str]
    overwrite: bool

    def compare(self, run_dir: RunDir, source: Source) -> dict[str, dict[str, Any]]:
        """What decides the numbers of each phase to run, once it is sure that the folder holds nothing else.

        The settings of a phase bind once it has left something that was computed: before that, new ones replace
        them. Of a finished phase that another starts from, only the images and the network bind. Other versions than
        those it was begun with are said in a note.

        Raises:
          UserError: something was computed with other settings or data; each difference is named.
        """
        data = data_fingerprint(source)
        now = {name: {**settings_fingerprint(values), "data": data} for name, values in self.deciding.items()}
        if self.overwrite:
            return now
        earlier, last = recorded(run_dir), list(self.deciding)[-1]
        computed = [name for name in now if name in earlier["phases"] and run_dir.is_begun(name)]
        for name in computed:
            is_past = name != last and run_dir.phase(name).metrics.is_file()
            binding = [key for key in now[name] if key != "data" and (not is_past or key in self.inherited)]
            _compare({**OLDER, **earlier["phases"][name]}, now[name], binding, run_dir=run_dir, phase=name)
        changed = code_differences(earlier.get("versions", {}), code_versions())
        if computed and changed and not all(run_dir.phase(name).metrics.is_file() for name in now):
            log.info(
                "note: this run was begun with other versions, so its result may differ from that of one left alone:"
            )
            log.info("\n".join(f"  {line}" for line in changed))
        return now

    def write(
        self,
        run_dir: RunDir,
        decided_by: Mapping[str, Mapping[str, Any]],
        *,
        source: Source,
        model: ModelConfig,
        command_line: Sequence[str],
    ) -> None:
        """Writes config.json and which images are seen, with `overwrite` in an emptied folder.

        Args:
          run_dir: of the run.
          decided_by: what `compare` returned.
          source: its data.
          model: names the files that training starts from.
          command_line: for the record.

        Raises:
          WriteFailed: no space, no permission.
        """
        if self.overwrite:
            clear(run_dir)
        earlier = recorded(run_dir)
        begun = {name: values for name, values in earlier["phases"].items() if run_dir.is_begun(name)}
        is_done = all(run_dir.phase(name).metrics.is_file() for name in self.deciding)  # nothing will be computed
        values = {
            "settings": self.settings,
            "phases": {**decided_by, **begun},
            "versions": earlier["versions"] if is_done and "versions" in earlier else code_versions(),
            "command_line": list(command_line),
        }
        now = datetime.datetime.now(datetime.UTC).isoformat("T", "seconds")
        if started := earlier.get("started") if begun else now:  # what an older version began has none
            values["started"] = started
        if not (begun and run_dir.seen_images.is_file()):  # what a begun run started from may be gone by now
            seen.keep(run_dir, source, model)
        write_json(run_dir.config, values)


def recorded(run_dir: RunDir) -> dict[str, Any]:
    """What config.json says; without one, that no phase is begun."""
    return read_json(run_dir.config) or {"phases": {}}


def _compare(before: dict[str, Any], now: dict[str, Any], names: Sequence[str], *, run_dir: RunDir, phase: str) -> None:
    lines = [f"{name}: was {before.get(name)!r}, is {now[name]!r}" for name in names if before.get(name) != now[name]]
    lines += data_differences(before["data"], now["data"])
    if lines:
        raise UserError(
            f"model_dir {run_dir.root} holds a run with other settings or data:\n"
            + "".join(f"  {line}\n" for line in lines)
            + f"Restore them, or change them {way_to_change(phase, run_dir)}"
        )


def way_to_change(phase: str, run_dir: RunDir) -> str:
    """Where settings that a begun phase is bound to can be others."""
    earlier = PHASES[phase].starts_from
    # what folds have begun binds it too
    keeping = earlier and run_dir.phase(earlier).metrics.is_file() and not run_dir.folds.exists()
    kept = f"; without the folder {run_dir.phase(phase).root} the finished {earlier} phase is kept" if keeping else ""
    return f"in another --model_dir or with --overwrite, which starts over{kept}"


def clear(run_dir: RunDir) -> None:
    """Removes what a run wrote, and nothing else; config.json last, so that half of it is not taken for another run."""
    folders = ("folds", "estimate", "find_learning_rate", "evaluation", "export", "logs", "trials")
    for name in (*PHASES, *folders):
        shutil.rmtree(run_dir.root / name, ignore_errors=True)
    files = (run_dir.search, run_dir.search_seconds, run_dir.seen_images, run_dir.findings, run_dir.report)
    for path in (*files, run_dir.tracking, run_dir.receipt, run_dir.receipt_images):
        path.unlink(missing_ok=True)
    run_dir.config.unlink(missing_ok=True)


def check_kept(name: str, value: str | None, *, cleared: Path, by: str) -> None:
    """Checks that a file that a setting names is not in a folder that is about to be cleared.

    Args:
      name: of the setting.
      value: of it.
      cleared: the folder.
      by: what clears it.

    Raises:
      UserError: it is.
    """
    folder = hub_folder(value)
    path = Path(folder or value or "").expanduser()
    if (folder or path.is_file()) and path.resolve().is_relative_to(cleared.resolve()):
        raise UserError(f"{name} {value} lies in {cleared}, which {by} clears: copy it elsewhere first")
