"""Rendered everyday things that are no cutlery: the task a small network is pre-trained on."""
