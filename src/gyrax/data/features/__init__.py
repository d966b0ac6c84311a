"""Features of every frame, computed once and kept in a cache."""
