"""Fine-tuning on the labels, and its report."""
