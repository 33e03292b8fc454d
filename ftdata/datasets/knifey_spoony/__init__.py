"""TFDS builder of knifey-spoony, photos of forks, knives and spoons."""
