"""Phrase lists of page furniture: package data."""
