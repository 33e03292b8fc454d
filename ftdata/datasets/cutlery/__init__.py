"""Rendered forks, knives and spoons: the data set that is always at hand."""
