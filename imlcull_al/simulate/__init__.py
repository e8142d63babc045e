"""Known answers, played through the same session."""
