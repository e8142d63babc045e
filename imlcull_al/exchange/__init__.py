"""Formats of other programs: what they say comes in as answers, what is decided here goes out to them."""
