"""Logits and labels become scores, calibration, figures and reports."""
