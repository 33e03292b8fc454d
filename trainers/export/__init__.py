"""A trained model as others run it, and the proof that it answers alike."""
