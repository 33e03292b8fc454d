"""receipt.json: what a run was computed from and what it has computed, as a chain of digests.

Entries, in order: `environment` (versions of the code and of what it stands on, hardware; again where a restart changed
it), `data`, and for each phase `phase` (its flags), `state` (digests of all variables at a kept checkpoint and at the
end, and of the order and augmentation that led there) and `result`. Each is sealed over the one before
(`rundir.chain`), and nothing in them depends on time, so that a run that was killed leaves the receipt of one left
alone. Whoever rewrites the whole file can make a chain of it again: only a digest that is kept elsewhere tells.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ftdata.errors import UserError
from ftdata.sources.source import Source
from trainers.rundir import chain, image_table
from trainers.rundir.chain import Entry
from trainers.rundir.fingerprint import code_versions, data_fingerprint
from trainers.rundir.receipt_file import FORMAT, read
from trainers.rundir.run_dir import RunDir, write_atomically, write_json

_ENVIRONMENT = ("versions", "hardware")


class Receipt:
    """The receipt of a run while it is written, by rank 0.

    Nothing is written before a phase has something to say, so that a run that an older version finished has none.

    Args:
      run_dir: of the run.
      source: its data.
      hardware: `runtime.hardware.description`.

    Raises:
      UserError: the receipt that is there was altered or is damaged.
    """

    def __init__(self, run_dir: RunDir, source: Source, *, hardware: Mapping[str, Any]):
        self._path, self._table, self._source = run_dir.receipt, run_dir.receipt_images, source
        self._environment = {"versions": code_versions(), "hardware": dict(hardware)}
        self.entries: list[Entry] = read(run_dir) if run_dir.receipt.exists() else []
        altered = list(chain.broken(self.entries))
        if altered:
            raise UserError(
                f"{self._path} was altered ({title(self.entries[altered[0]])}): with the file removed the run resumes "
                "and a new receipt begins where it is now; --overwrite starts over"
            )

    @property
    def digest(self) -> str | None:
        """The seal of all of it; None while there is nothing."""
        return self.entries[-1]["digest"] if self.entries else None

    def of_phase(self, phase: str, kind: str) -> list[Entry]:
        """The entries of a kind that a phase has, in order."""
        return of_phase(self.entries, phase, kind)

    def begin_phase(self, phase: str, values: Mapping[str, Any], more: Mapping[str, Any], *, step: int) -> bool:
        """A phase begins, or resumes from `step`: what was said of later steps is taken back.

        Args:
          phase: its name.
          values: what it is to do; with others than before, it is another phase.
          more: what else is to be said of it.
          step: how far it is.

        Returns:
          Whether the phase is new here.
        """
        wanted = json.loads(chain.canonical({"kind": "phase", "phase": phase, **values, **more}))
        said = self.of_phase(phase, "phase")
        is_new = not said or any(said[-1].get(name) != wanted[name] for name in values)
        is_new = is_new or (step == 0 and said[-1]["begins_at"] != 0)
        self._drop(phase, beyond=step, all_of_it=is_new)
        if is_new:
            self._add(wanted)
        return is_new

    def add_state(self, phase: str, step: int, values: Mapping[str, Any], *, is_end: bool = False) -> None:
        """Adds what the phase has computed after `step` steps, in place of what was said of this step or later."""
        self._drop(phase, beyond=step if is_end else step - 1)
        self._add({"kind": "state", "phase": phase, "step": step, "is_end": is_end, **values})

    def finish_phase(self, phase: str, values: Mapping[str, Any]) -> None:
        """Adds the result of a phase that the receipt has followed to its end, where it is not there yet."""
        if self.of_phase(phase, "phase") and not self.of_phase(phase, "result"):
            self._add({"kind": "result", "phase": phase, "result": dict(values)})

    def _drop(self, phase: str, *, beyond: int, all_of_it: bool = False) -> None:
        def stays(entry: Entry) -> bool:
            if entry.get("phase") != phase:
                return True
            if all_of_it or entry["kind"] == "result" or entry.get("is_end"):
                return False
            return entry["kind"] == "phase" or entry["step"] <= beyond

        left = [entry for entry in self.entries if stays(entry)]
        if len(left) < len(self.entries):
            self.entries = chain.resealed(left)

    def _add(self, values: Mapping[str, Any]) -> None:
        entries = list(self.entries)
        earlier = [entry for entry in entries if entry["kind"] == "environment"]
        now = json.loads(chain.canonical(self._environment))
        if not earlier or any(earlier[-1][name] != now[name] for name in _ENVIRONMENT):
            entries.append(chain.sealed({"kind": "environment", **now}, after=entries))
        if not any(entry["kind"] == "data" for entry in entries):
            entries.append(chain.sealed(self._data(), after=entries))
        entries.append(chain.sealed(values, after=entries))
        write_json(self._path, {"format": FORMAT, "entries": entries})
        self.entries = entries

    def _data(self) -> Entry:
        """Writes the table of images and returns what stands for it."""
        table = image_table.table(self._source)
        write_atomically(self._table, lambda temporary: temporary.write_bytes(table))
        images = {"images_sha256": hashlib.sha256(table).hexdigest()}
        return {"kind": "data", "data": data_fingerprint(self._source), **images}


def of_phase(entries: Sequence[Entry], phase: str, kind: str) -> list[Entry]:
    """The entries of a kind that a phase has, in order."""
    return [entry for entry in entries if entry["kind"] == kind and entry.get("phase") == phase]


def title(entry: Mapping[str, Any]) -> str:
    """`state of transfer, step 30`."""
    parts = [str(entry.get("kind", "?")), *([f"of {entry['phase']}"] if "phase" in entry else [])]
    return " ".join(parts) + (f", step {entry['step']}" if "step" in entry else "")
