"""Pictures, videos, archives, labels and predictions as files."""
