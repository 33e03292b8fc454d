"""The data doctor (`--phase=check`): the data and the plan, without training."""
