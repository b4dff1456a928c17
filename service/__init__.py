"""The HTTP service and the pages for people, over one open pipeline."""
