"""The search for the best model in a given time: what is tried, in which order, how long, and how good that is.

Nothing here trains: `trainers/commands/search.py` tells the story, `trainers/commands/trial.py` is a trial.
"""
