"""How the embedded data sets draw their images."""
