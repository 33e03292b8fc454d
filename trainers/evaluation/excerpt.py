"""What a reader can take in where there are too many classes to show them all."""

from trainers.models.class_names import in_a_figure

MOST_CLASSES = 30  # on a screen and in a figure
MANY_CLASSES = 1_000  # beyond which nothing has a row or a column for each pair of them, or for each image and class
_LONGEST_NAME = 40  # characters, in a figure


def label(name: str) -> str:
    """A name as it stands at an axis: not too long."""
    return in_a_figure(name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}...")
