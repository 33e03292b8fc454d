"""`--phase=verify`: whether a run is what its receipt says. Files are compared, and parts of it are trained again."""

import dataclasses
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from ftdata.errors import UserError
from ftdata.log import log, prefixed
from ftdata.names import counted
from ftdata.sources.source import Source
from trainers.commands import audit, moved, replays, train
from trainers.commands.audit import Finding
from trainers.config import PHASES, Phase, TrainConfig, from_dict
from trainers.rundir import receipt
from trainers.rundir.chain import Entry
from trainers.rundir.divergence import Diverged
from trainers.rundir.fingerprint import code_versions
from trainers.rundir.receipt import of_phase
from trainers.rundir.run_dir import RunDir
from trainers.runtime import hardware
from trainers.runtime.devices import make_strategy
from trainers.runtime.signals import StopRequest
from trainers.training.context import RunContext
from trainers.training.replay import Stretch, replay

SAME = "the same bits"
_SAYS = re.compile(r"^(?!Graph execution|File ).*(exception|[Ee]rror)")  # a line of TensorFlow's that says what failed
_BESIDE = re.compile(r"^(\{\{.*?\}\} )?(.*Status: \d+, message: )?")  # what stands before that in it


class NotVerified(UserError):
    """A run is not what its receipt says."""


def run(config: TrainConfig, *, stop: StopRequest) -> dict[str, Any]:
    """Verifies the run in `config.model_dir`, without writing there.

    Returns:
      `receipt`, its digest, and `replayed`, what each stretch gave, in words, by its name.

    Raises:
      NotVerified: what is not as the receipt says, a line each.
      UserError: there is no receipt, or none that can be read.
      Interrupted: somebody asked to stop.
    """
    run_dir = RunDir(Path(config.model_dir).expanduser())
    entries = receipt.read(run_dir)
    digest = str(entries[-1].get("digest"))
    log.info(f"receipt {digest} of {run_dir.root}, {len(entries)} entries")
    _conclude(audit.of_receipt(entries, expected=config.use.receipt), run_dir)
    settings = moved.settings(config, run_dir)
    found = audit.of_config(entries, run_dir, settings) + audit.of_files(entries, run_dir)
    if any(finding.about in ("flags", "receipt") for finding in found):
        _conclude(found, run_dir)  # images cannot be looked at by them
    devices = make_strategy(_strategy(str(settings["distribution_strategy"])))
    differing = _here(entries, devices)
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        source, more = _source(settings, entries, run_dir, folder=Path(folder))
        _conclude(found + more, run_dir)
        assert source is not None, "there is nothing to conclude"
        log.info("  flags, data, checkpoints, best models and metrics are as the receipt says")
        replayed = _replay_all(
            entries, run_dir, settings, source, devices, differing, which=config.use.stretch, folder=folder, stop=stop
        )
    if not replayed:
        raise NotVerified(f"nothing of the run in {run_dir.root} could be trained again: see above why")
    exact = all(words == SAME for words in replayed.values())
    how = "bit for bit" if exact else "within the tolerance, not bit for bit"
    log.info(f"verified {how}: of what was trained, {len(replayed)} replayed")
    _say_what_is_not(entries, is_known=bool(config.use.receipt))
    return {"receipt": digest, "replayed": replayed}


def _conclude(found: Sequence[Finding], run_dir: RunDir) -> None:
    """Raises NotVerified with what was found, if it is anything."""
    if found:
        lines = "\n".join(f"  {finding}" for finding in found)
        raise NotVerified(f"the run in {run_dir.root} is not what its receipt says:\n{lines}")


def _strategy(recorded: str) -> str:
    return "auto" if recorded == "multi_worker_mirrored" else recorded


def _here(entries: Sequence[Entry], devices: tf.distribute.Strategy) -> list[Finding]:
    """How this program and machine differ from those that trained, said in lines."""
    environments = [entry for entry in entries if entry["kind"] == "environment"]
    if len(environments) > 1:
        log.info(
            f"  the run went on with other versions or on another machine {counted(len(environments) - 1, 'time')}"
        )
    now, found = (code_versions(), hardware.description(devices)), list[Finding]()
    for entry in environments:
        found += [one for one in audit.environment(entry, *now) if one not in found]
    for finding in found:
        log.info(f"  {finding}")
    if not found:
        log.info("  code, versions and hardware are those of the run")
    return found


def _source(
    settings: Mapping[str, Any], entries: Sequence[Entry], run_dir: RunDir, *, folder: Path
) -> tuple[Source | None, list[Finding]]:
    """The images of the run, each read and examined now, and how they differ from those of the run."""
    config = from_dict(dict(settings))
    data = config.data
    if data.dataset is None:  # what is known of files from before does not count
        data = dataclasses.replace(data, data_dir=str(folder / "data"))
    try:
        source = train.open_data(config, data)
    except UserError as error:
        return None, [Finding("data", str(error))]
    except OSError as error:
        return None, [Finding("data", f"{error.strerror}: {error.filename}")]
    source = source.pooled() if settings.get("folds") else source
    return source, replays.data_differences(run_dir, source)


def _replay_all(
    entries: Sequence[Entry],
    run_dir: RunDir,
    settings: Mapping[str, Any],
    source: Source,
    devices: tf.distribute.Strategy,
    differing: Sequence[Finding],
    *,
    which: str,
    folder: str,
    stop: StopRequest,
) -> dict[str, str]:
    """What each stretch that is looked at gives, in words, by its name."""
    said, found = dict[str, str](), list[Finding]()
    for begun in (entry for entry in entries if entry["kind"] == "phase"):
        phase = PHASES[begun["phase"]]
        reason = _cannot_replay(begun, differing)
        candidates = replays.stretches(entries, phase.name, run_dir.phase(phase.name))
        if reason or not candidates:
            log.info(f"  {phase.name} is not replayed: {reason or 'no kept checkpoint and no beginning to start from'}")
            continue
        root = Path(folder) / phase.name
        if phase.starts_from:
            before = RunDir(root).phase(phase.starts_from).best
            before.parent.mkdir(parents=True)
            shutil.copyfile(run_dir.phase(phase.starts_from).best, before)
        cached = {**settings, "cache": "none" if _reads_a_stream(entries, phase.name) else "auto"}
        context = replays.context_of(begun, cached, source, devices, folder=root, stop=stop)
        _conclude(replays.plan_differences(begun, context), run_dir)
        if begun["callbacks"]:
            log.info(f"  note: callbacks took part in {phase.name}, and do not now: {', '.join(begun['callbacks'])}")
        for stretch in replays.chosen(candidates, which):
            log.info(f"  {stretch}: trained again from {_start_of(stretch)}, in a folder of its own")
            with prefixed("    replay: "):
                words, more = _judged(phase, context, stretch, entries, run_dir, differing)
            found += more
            if words:
                said[str(stretch)] = words
                log.info(f"  {stretch}: {words}")
    _conclude([*differing, *found] if found else [], run_dir)
    return said


def _start_of(stretch: Stretch) -> str:
    return f"the kept checkpoint {stretch.start.name}" if stretch.start else "the beginning of the phase"


def _judged(
    phase: Phase,
    context: RunContext,
    stretch: Stretch,
    entries: Sequence[Entry],
    run_dir: RunDir,
    differing: Sequence[Finding],
) -> tuple[str, list[Finding]]:
    """What a stretch gives when it is trained again, in words, and what is not as the receipt says."""
    precision = context.config.precision
    try:
        given = replay(phase, context, stretch)
        if replays.is_exact(stretch, given, entries) or not differing or any(one.about == "code" for one in differing):
            found = replays.judge_bits(stretch, given, entries)
            return "other bits" if found else SAME, found
        recorded = replays.recorded_values(stretch, entries, run_dir.phase(phase.name))
        if recorded is None:
            text = (
                f"{stretch} gives other bits, and without the checkpoint of its end nothing says how far they are off"
            )
            return "other bits", [Finding("replay", text)]
        rounded = replay(phase, context, stretch, with_rounding=True)
        return replays.judge_distance(stretch, given, rounded, recorded, entries)
    except Diverged as error:
        return "", [Finding("replay", f"{stretch} diverges: {error}")]
    except tf.errors.OpError as error:
        if not differing:
            raise
        text = f"{stretch} in {precision}, which is not computed here ({_first(error)})"
        return "", [Finding("hardware", f"{text}: verify it on a machine like the run's")]


def _first(error: tf.errors.OpError) -> str:
    """The line of TensorFlow's message that says what has failed."""
    lines = [line.strip() for line in str(error.message).splitlines() if line.strip()]
    said = [line for line in lines if _SAYS.search(line)]
    return _BESIDE.sub("", (said or lines or [type(error).__name__])[0])[:200]


def _reads_a_stream(entries: Sequence[Entry], phase: str) -> bool:
    """Whether a phase was trained on records that are shuffled while they are read: the order is then another."""
    return any(one["order"] is None and one["step"] for one in of_phase(entries, phase, "state"))


def _cannot_replay(begun: Entry, differing: Sequence[Finding]) -> str | None:
    if begun["is_soup"]:
        return "its weights are the average of the folds' models"
    devices = [finding for finding in differing if finding.text.startswith("devices: ")]
    return f"it needs as many devices as the run ({devices[0].text})" if devices else None


def _say_what_is_not(entries: Sequence[Entry], *, is_known: bool) -> None:
    parts = ["the test set's scores", "TensorBoard's files", "exports"]
    if any(entry.get("chosen") for entry in entries):
        parts.insert(0, "the folds")
    log.info(f"  not computed again: {', '.join(parts)}")
    if not is_known:
        log.info("  a receipt that was rewritten as a whole is found by --receipt alone: the digest printed by the run")
