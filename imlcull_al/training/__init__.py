"""Fine-tuning on the answers, and its report."""
