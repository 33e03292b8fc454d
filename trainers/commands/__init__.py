"""One module for each `--phase`: what the user asked for, from start to end."""
