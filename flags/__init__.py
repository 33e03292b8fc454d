"""What a person may set on a command line: flag definitions and presets, nothing else."""

from flags.train import config

__all__ = ["config"]
