"""config.json: what a run was started with, and whether another start may resume it."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from ftdata.log import log
from ftdata.sources.source import Source
from trainers.config import ModelConfig
from trainers.rundir import bound, seen
from trainers.rundir.bound import recorded, settings_fingerprint
from trainers.rundir.cleared import clear
from trainers.rundir.fingerprint import (
    code_differences,
    code_versions,
    data_differences,
    data_fingerprint,
)
from trainers.rundir.run_dir import RunDir, write_json


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
        earlier, computed = recorded(run_dir), bound.begun(run_dir, list(self.deciding), self.inherited)
        for name, (before, binding) in computed.items():
            lines = bound.differences(before, now[name], binding) + data_differences(before["data"], data)
            bound.refuse(lines, run_dir=run_dir, phase=name)
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
