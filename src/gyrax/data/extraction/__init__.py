"""One-time feature extraction: a LeRobot folder in, a feature cache out."""
