"""Fine-tuning on the labels, and the report of a training."""
