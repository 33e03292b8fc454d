"""What is compared: this project and its rivals, one module a side."""
