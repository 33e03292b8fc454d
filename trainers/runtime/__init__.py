"""Processes, devices, signals, output streams and compilation."""
