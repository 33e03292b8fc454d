"""Encoded bytes become an upright uint8 RGB square, with Pillow's pixels."""
