"""unit/ mirrors the code, integration/ starts processes of its own, tools/ is what tests and proofs use."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
