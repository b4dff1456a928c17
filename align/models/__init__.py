"""The models that ship with samestory: package data."""
