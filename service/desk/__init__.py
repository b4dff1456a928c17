"""The editors' desk: the pages at /."""
