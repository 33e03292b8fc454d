"""Every setting of a run: one module a section, frozen, validated, standard library only.

Everything may import it; it imports nothing but `ftdata.config` and `ftdata.errors`. `TrainConfig` is what the user
sets, for `trainers.commands`; `ResolvedConfig` is what the wings compute with.
"""

from trainers.config.effect import without_effect
from trainers.config.model import ModelConfig
from trainers.config.phases import PHASES, Phase, epochs_and_rate, sequence
from trainers.config.resolved import ResolvedConfig
from trainers.config.run import (
    OTHER_PHASES,
    TRAINING_PHASES,
    TrainConfig,
    as_dict,
    as_recorded,
    deciding,
    from_dict,
    passed_on,
    settings,
)
from trainers.config.runtime import RuntimeConfig
from trainers.config.search import SEARCHED_PHASES, SearchConfig
from trainers.config.serve import ServeConfig
from trainers.config.training import TrainingConfig
from trainers.config.use import EXPORT_FORMATS, USING_PHASES, UseConfig

__all__ = [
    "EXPORT_FORMATS",
    "OTHER_PHASES",
    "PHASES",
    "SEARCHED_PHASES",
    "TRAINING_PHASES",
    "USING_PHASES",
    "ModelConfig",
    "Phase",
    "ResolvedConfig",
    "RuntimeConfig",
    "SearchConfig",
    "ServeConfig",
    "TrainConfig",
    "TrainingConfig",
    "UseConfig",
    "as_dict",
    "as_recorded",
    "deciding",
    "epochs_and_rate",
    "from_dict",
    "passed_on",
    "sequence",
    "settings",
    "without_effect",
]
