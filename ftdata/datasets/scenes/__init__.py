"""Rendered pictures of several things at once, or of none: the task of `--task=multi`."""
