"""Decode photo files to pixels, in separate worker processes."""
