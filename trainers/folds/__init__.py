"""How good a model is on groups that it has not seen: images left out, heads on frozen features, what to expect.

May import `trainers.training` and what stands below it; the doctor and the commands import it.
"""
