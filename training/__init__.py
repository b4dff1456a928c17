"""From sentence pairs to the shipped model: ``python -m training``."""
