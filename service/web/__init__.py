"""Templates and the stylesheet: package data."""
