"""search.json: what a search was asked for, what it has measured, planned and found, and what it chose."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ftdata.errors import UserError
from ftdata.settings import said
from trainers.rundir.run_dir import read_json, write_json
from trainers.search.result import Result

_TRIES = 2


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
        self._values = read_json(path) or {"asked": dict(asked or {})}
        if not isinstance(self._values, dict) or not isinstance(self._values.get("asked"), dict):
            raise UserError(f"{path} is damaged: remove it, or start over with --overwrite")
        if asked:
            self.compare("asked", asked)

    def compare(self, name: str, now: Mapping[str, Any], differences: Callable[..., list[str]] | None = None) -> None:
        """Checks that values are those that were put at `name`, and puts them there where nothing was.

        Args:
          name: of the values.
          now: JSON values by name.
          differences: (before, now) -> lines that say how they differ; by default the names and both values.

        Raises:
          UserError: they differ.
        """
        before = self.get(name)
        if before is None:
            self.put(name, dict(now))
            return
        if lines := (differences or _differences)(before, now):
            raise UserError(
                f"model_dir {self._path.parent} holds a search with other settings or data:\n"
                + "".join(f"  {line}\n" for line in lines)
                + "Restore them, or change them in another --model_dir or with --overwrite, which starts over"
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
        """Of a trial of a kind, `heads` or `trials`; None where it has none."""
        values = (self.get(kind) or {}).get(name)
        return None if values is None else Result(name=name, **values)

    def results(self, kind: str) -> list[Result]:
        """Of all trials of a kind that have one."""
        found = [self.result(kind, name) for name in self.get(kind) or {}]
        return [result for result in found if result]

    def begin(self, name: str, used: float) -> float:
        """When a job began, in seconds of the budget: that of the first start of it."""
        began = (self.get("began") or {}).get(name)
        return self.add("began", name, round(used, 1)) if began is None else began

    def fail(self, name: str, reason: str) -> None:
        """Keeps that a trial has failed, once more."""
        times = (self.get("failures") or {}).get(name, {}).get("times", 0)
        self.add("failures", name, {"reason": reason, "times": times + 1})

    def failure(self, name: str) -> str | None:
        """Why a trial has failed last; None if it has not."""
        return (self.get("failures") or {}).get(name, {}).get("reason")

    def may_be_tried(self, name: str) -> bool:
        """Whether a trial is neither dropped nor has failed twice: what was killed once is tried again."""
        is_dropped = name in (self.get("dropped") or {})
        return not is_dropped and (self.get("failures") or {}).get(name, {}).get("times", 0) < _TRIES


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [
        f"{name}: was {said(before.get(name))}, is {said(now[name])}" for name in now if before.get(name) != now[name]
    ]
