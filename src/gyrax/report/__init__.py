"""What was measured, as tables, figures and a page."""
