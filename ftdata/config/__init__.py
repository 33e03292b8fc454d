"""What can be set about the data and its augmentation: frozen, validated, standard library only."""

from ftdata.config.augment import AugmentConfig
from ftdata.config.data import DataConfig
from ftdata.config.pack import PackConfig

__all__ = ["AugmentConfig", "DataConfig", "PackConfig"]
