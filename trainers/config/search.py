"""What can be set about the search for the best model."""

import dataclasses
import re

from ftdata.errors import UserError
from ftdata.settings import NOTHING, check_settings, said, setting

_SECONDS = {"h": 3600, "m": 60, "s": 1}
SHORTEST_S = 60
SEARCHED_PHASES = ("finetune", "all")  # in which a time budget is one for a search


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """The search for the best model in a given time."""

    time_budget: str | None = setting(
        None,
        "time, such as 20m or 1h30m, in which the phases finetune and all look for the best model: heads on the "
        "features of each backbone whose weights are at hand, fine-tuning recipes by --folds, the worse half of which "
        "is dropped again and again, and the best one on all images. Flags that are given hold for every trial",
        unset="off",
        affects=NOTHING,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.time_budget is not None and self.seconds < SHORTEST_S:
            raise UserError(f"time_budget must be at least {SHORTEST_S}s, got {self.time_budget}")

    @property
    def seconds(self) -> float:
        """The budget; infinite where there is none."""
        if self.time_budget is None:
            return float("inf")
        parts = re.fullmatch(r"(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?", self.time_budget)
        if not parts or not self.time_budget:
            raise UserError(f"time_budget must be a time such as 20m, 1h30m or 90s, got {said(self.time_budget)}")
        return sum(int(number or 0) * size for number, size in zip(parts.groups(), _SECONDS.values(), strict=True))
