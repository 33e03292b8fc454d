"""search.json: what a search was asked for, what it has measured, planned and found, and what it chose."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftdata.errors import UserError
from trainers.rundir.run_dir import read_json, write_json
from trainers.search.result import Result


class State:
    """What a search knows, written after each thing that it learns; another start goes on from there.

    Args:
      path: of search.json.
      asked: the settings that decide the search, JSON values by name; None to read alone.

    Raises:
      UserError: the file is of a search that was asked for something else; each difference is named.
    """

    def __init__(self, path: Path, asked: Mapping[str, Any] | None = None):
        self._path = path
        asked = asked or {}
        self._values = read_json(path) or {"asked": dict(asked)}
        before = self._values["asked"]
        lines = [f"  {name}: was {before.get(name)!r}, is {asked[name]!r}\n" for name in asked]
        lines = [line for name, line in zip(asked, lines, strict=True) if before.get(name) != asked[name]]
        if lines:
            raise UserError(
                f"model_dir {path.parent} holds a search with other settings:\n{''.join(lines)}"
                "Restore them, or change them in another --model_dir or with --overwrite, which starts over"
            )

    def get(self, name: str) -> Any:
        """What was put there; None where nothing was."""
        return self._values.get(name)

    def put(self, name: str, value: Any) -> Any:
        """Keeps a JSON value, and returns it."""
        self._values[name] = value
        write_json(self._path, self._values)
        return value

    def add(self, name: str, key: str, value: Any) -> Any:
        """Keeps a JSON value under a key of what stands at `name`, and returns it."""
        self.put(name, {**(self.get(name) or {}), key: value})
        return value

    def result(self, kind: str, name: str) -> Result | None:
        """Of a trial, as `add_result` kept it."""
        values = (self.get(kind) or {}).get(name)
        return None if values is None or "failed" in values else Result(name=name, **values)

    def results(self, kind: str) -> list[Result]:
        """Of all trials of a kind, `estimates` or `trials`, that have not failed."""
        found = [self.result(kind, name) for name in self.get(kind) or {}]
        return [result for result in found if result]

    def begin(self, name: str, used: float) -> float:
        """When a job began, in seconds of the budget: that of the first start of it."""
        began = (self.get("began") or {}).get(name)
        return self.add("began", name, round(used, 1)) if began is None else began
