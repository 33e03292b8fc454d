"""A name becomes a classifier: backbones, preprocessing, weights, and what trains."""
