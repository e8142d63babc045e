"""From decisions to the next stage, and back."""
