"""A run in somebody else's book of runs (`--track`), beside TensorBoard: settings, epochs, final numbers, the report.

For `trainers.commands`. `backend.py` says what a tracking server has to offer, a module each speaks to one, and
`tracked_run.py` decides what is written there and when, so that a run that is stopped and resumed is one run there too.
"""
