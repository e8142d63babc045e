"""Simulations with known labels, run through the same session as the page."""
