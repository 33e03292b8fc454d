"""Is a file usable? Every image judged before training, and the verdicts kept."""
