"""What a run keeps on disk: its lock, its record, its checkpoints."""
