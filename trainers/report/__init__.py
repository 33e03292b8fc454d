"""The results of a run on one page, `report.html`, and runs side by side, `index.html`: functions of their files alone.

For `trainers.commands`. It reads what the other wings have written below model_dir, computes nothing with a model, and
loads nothing from outside into a page.
"""

from ftdata import lazy

__all__, __getattr__, __dir__ = lazy.exports(__name__, {"refresh": "page"})
