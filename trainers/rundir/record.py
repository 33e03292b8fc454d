"""config.json: what a run was started with, and whether another start may go on from it."""

import shutil
from collections.abc import Sequence
from typing import Any

from ftdata.errors import UserError
from ftdata.log import log
from ftdata.sources.source import Source
from trainers.config import PHASES, TrainConfig, as_recorded, deciding, passed_on, sequence
from trainers.rundir import fingerprint, seen
from trainers.rundir.run_dir import RunDir, read_json, write_json


def compare(run_dir: RunDir, config: TrainConfig, source: Source) -> dict[str, dict[str, Any]]:
    """What decides the numbers of each phase to run, once it is sure that the folder holds nothing else.

    The settings of a phase bind once it has left something that was computed: before that, new ones replace
    them. Of a finished phase that another goes on from, only the pictures and the network bind. Other versions than
    those it was begun with are said in a note.

    Raises:
      UserError: something was computed with other settings or data; each difference is named.
    """
    data = fingerprint.of_data(source)
    names = [phase.name for phase in sequence(config.phase)]
    now = {name: {**fingerprint.of_settings(deciding(config, name)), "data": data} for name in names}
    if config.overwrite:
        return now
    earlier = recorded(run_dir)
    computed = [name for name in now if name in earlier["phases"] and run_dir.phase(name).is_begun]
    for name in computed:
        is_past = name != config.phase and run_dir.phase(name).metrics.is_file()
        binding = [key for key in now[name] if key != "data" and (not is_past or key in passed_on(config))]
        _compare(earlier["phases"][name], now[name], binding, run_dir=run_dir, phase=name)
    changed = fingerprint.code_differences(earlier.get("versions", {}), fingerprint.of_code())
    if computed and changed and not all(run_dir.phase(name).metrics.is_file() for name in now):
        log.info("note: this run was begun with other versions, so its result may differ from that of one left alone:")
        log.info("\n".join(f"  {line}" for line in changed))
    return now


def start(
    run_dir: RunDir,
    config: TrainConfig,
    decided_by: dict[str, dict[str, Any]],
    *,
    source: Source,
    command_line: Sequence[str],
) -> None:
    """Writes config.json and which images are seen, in an emptied folder with `--overwrite`.

    Args:
      workdir: of the run.
      config: settled.
      decided_by: what `compare` returned.
      source: its data.
      command_line: for the record.
    """
    if config.overwrite:
        _clear(run_dir)
    begun = {name: values for name, values in recorded(run_dir)["phases"].items() if run_dir.phase(name).is_begun}
    values = {
        "settings": as_recorded(config),
        "phases": {**decided_by, **begun},
        "versions": fingerprint.of_code(),
        "command_line": list(command_line),
    }
    if not (begun and run_dir.seen_images.is_file()):  # what a begun run started from may be gone by now
        seen.keep(run_dir, source, config.model)
    write_json(run_dir.config, values)


def recorded(run_dir: RunDir) -> dict[str, Any]:
    """What config.json says; without one, that no phase is begun."""
    return read_json(run_dir.config) or {"phases": {}}


def _compare(before: dict[str, Any], now: dict[str, Any], names: Sequence[str], *, run_dir: RunDir, phase: str) -> None:
    lines = [f"{name}: was {before.get(name)!r}, is {now[name]!r}" for name in names if before.get(name) != now[name]]
    lines += fingerprint.data_differences(before["data"], now["data"])
    if lines:
        raise UserError(
            f"model_dir {run_dir.root} holds a run with other settings or data:\n"
            + "".join(f"  {line}\n" for line in lines)
            + f"Restore them, or change them {way_to_change(phase, run_dir)}"
        )


def way_to_change(phase: str, run_dir: RunDir) -> str:
    """Where settings that a begun phase is bound to can be others."""
    earlier = PHASES[phase].starts_from
    keeping = earlier and run_dir.phase(earlier).metrics.is_file()
    kept = f"; without the folder {run_dir.phase(phase).root} the finished {earlier} phase is kept" if keeping else ""
    return f"in another --model_dir or with --overwrite, which starts anew{kept}"


def _clear(run_dir: RunDir) -> None:
    """Removes what a run wrote, and nothing else; config.json last, so that half of it is not taken for another run."""
    for name in (*PHASES, "evaluation", "export", "logs"):
        shutil.rmtree(run_dir.root / name, ignore_errors=True)
    run_dir.seen_images.unlink(missing_ok=True)
    run_dir.config.unlink(missing_ok=True)
