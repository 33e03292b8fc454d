"""What is compared: this project and its rivals, one module a side.

For the questions, `benchmarks/*.py`. A side knows the harness, and no question.
"""

from ftdata import lazy

__all__, __getattr__, __dir__ = lazy.exports(__name__, {"Ours": "ours", "Notebook": "notebook"})
