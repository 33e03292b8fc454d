"""What competes to be the best model of a phase: after each epoch its weights, or each running average of them."""

from pathlib import Path

import keras
import numpy as np

from ftdata.errors import UserError
from ftdata.settings import as_text
from ftdata.sources.source import Source
from trainers.config import Phase, ResolvedConfig
from trainers.evaluation.scores import Evaluation
from trainers.evaluation.summary import Summary, summary_kind
from trainers.models.classifier import save_classifier
from trainers.rundir.progress import Progress, Row
from trainers.training import interpolation
from trainers.training.averaging import averaged_weights, averaging_of
from trainers.training.context import Candidate, RunContext
from trainers.training.epoch_row import monitor_key, validation_columns
from trainers.training.held_out import HeldOut
from trainers.training.tensorboard import TensorBoardWriter


def check(config: ResolvedConfig, source: Source) -> None:
    """Checks that there is something to choose by where a phase ends with several models.

    Raises:
      UserError: there is no validation split.
    """
    if len(source.validation) or config.training.folds:
        return
    decays, way = config.training.ema_decays, "set validation_fraction above 0"
    if len(decays) > 1:
        raise UserError(
            f"ema_decay must be one number without a validation split, by which one of several is chosen, got "
            f"{as_text(decays)}: give one, or {way}"
        )
    if config.training.interpolate_weights and any(phase.starts_from for phase in config.phases):
        raise UserError(f"interpolate_weights must be false without a validation split to choose by: {way}")


class Candidates:
    """The weights of a phase that compete to be its best, while it trains.

    Without averaging they are those of the last step. With it they are the averages: of each epoch that with the best
    score stands for it. (An average of decay 0 is the weights of the last step.)

    Args:
      phase: that trains.
      network: compiled with the optimizer that averages.
      context: of the run.
      held_out: scores the network.
      progress: of the phase.
      board: TensorBoard, if it is wanted.
    """

    def __init__(
        self,
        phase: Phase,
        network: keras.Model,
        context: RunContext,
        held_out: HeldOut,
        *,
        progress: Progress,
        board: TensorBoardWriter | None,
    ):
        self._phase, self._network, self._context, self._held_out = phase, network, context, held_out
        self._progress, self._board = progress, board
        averaging = averaging_of(network.optimizer)
        self._start: list[np.ndarray] = []  # of the phase, once it is asked for
        self.decays: tuple[float | None, ...] = averaging.decays if averaging else (None,)

    @property
    def can_be_scored(self) -> bool:
        """Whether there is a validation split."""
        return len(self._context.source.validation) > 0

    def score(self, *, at_start: bool = False) -> Row:
        """The columns of the history that tell of the validation split, None in each where there is none.

        With several decays, `validation_*` are the scores of the best, `ema_decay` says which that is, and the scores
        that decide it are there for each; where folds have chosen, `ema_decay` is theirs.

        Args:
          at_start: nothing has trained, so that all are the same.
        """
        is_one, kind = len(self.decays) == 1, summary_kind(self._context.source.train.labels)
        if not self.can_be_scored:
            chosen = self._context.role.chosen.get(self._phase.name)
            return {
                **validation_columns(None, kind=kind),
                **({"ema_decay": chosen.ema_decay} if chosen and not is_one else {}),
            }
        found: dict[float | None, Evaluation | Summary] = {}
        for decay in self.decays[:1] if at_start else self.decays:
            with averaged_weights(self._network.optimizer, decay):
                found[decay] = self._held_out.evaluate("validation")
                self._keep(found[decay], None if is_one or at_start else decay, at_start=at_start)
        columns = {decay: validation_columns(scores, kind=kind) for decay, scores in found.items()}
        monitor = self._context.config.monitor
        best = max(found, key=lambda decay: monitor_key(columns[decay], monitor))  # of equals the first
        scores, names = found[best], self._context.source.class_names
        if self._board and isinstance(scores, Evaluation) and kind is Summary:
            self._board.confusion_matrix(scores, names, step=self._progress.step)
        if is_one:
            return columns[best]
        row: Row = {**columns[best], "ema_decay": None if at_start else best}
        for decay in self.decays:
            deciding = columns[best if at_start else decay]
            for name in (f"validation_{monitor}", "validation_loss"):
                row[f"{name}_ema_{as_text(decay)}"] = deciding[name]
        return row

    def _keep(self, scores: Evaluation | Summary, decay: float | None, *, at_start: bool) -> None:
        """In a fold: keeps the scores of what is in the network, and those of the way to it from the start."""
        role, network = self._context.role, self._network
        if role.keep is None:
            return
        epoch = self._progress.epochs + (not at_start)

        def keep(of_alpha: Evaluation | Summary, alpha: float = 1.0) -> None:
            if role.keep and isinstance(of_alpha, Evaluation):  # rank 0's
                role.keep(self._phase.name, Candidate(epoch, decay, alpha), of_alpha, network.weights)

        keep(scores)
        if self._phase.starts_from and self._context.config.training.interpolate_weights and not at_start:
            self._start = self._start or interpolation.start_of(self._phase, self._context, network)
            for alpha in interpolation.ALPHAS:
                with interpolation.mixed_with(self._start, network, alpha):
                    keep(self._held_out.evaluate("validation"), alpha)

    def save(self, path: Path, row: Row) -> None:
        """Writes the model of the epoch that has just ended: the weights that stand for it in its row."""
        with averaged_weights(self._network.optimizer, row.get("ema_decay")):
            save_classifier(self._network, path)
