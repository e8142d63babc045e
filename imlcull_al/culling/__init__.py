"""Copy the kept photos to the next stage, and undo it."""
