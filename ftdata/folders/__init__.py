"""What a folder or a CSV means: files, classes, splits, and what is passed over."""
