"""What flags and files alone refuse, before TensorFlow is imported: that takes seconds, and a slip should not.

The same rules hold later, where they are needed; here they are asked first, cheapest first. What needs the contents of
images, a device or a network is not asked here. Of several workers each leaves it to the common start, which tells all
of them what one has found. For `trainers.main`, and the commands, which ask some of it again.
"""

from ftdata import lazy

__all__, __getattr__, __dir__ = lazy.exports(__name__, {"refuse": "at_once"})
