"""Data sets that come with the project, as TFDS builders."""
