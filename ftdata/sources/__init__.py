"""A name, a folder or a CSV becomes a `Source`: encoded images and labels in three splits."""
