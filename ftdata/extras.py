"""The optional dependencies of this project, by the names that pyproject.toml gives them. Standard library only."""


def install(*extras: str) -> str:
    """The command that installs extras with the versions of this project."""
    return f".venv/bin/pip install --constraint constraints.txt --editable '.[{','.join(extras)}]'"
