"""One page to look at: forecasts of a run beside the truth, moved by one slider."""
