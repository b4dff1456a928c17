"""Finds the versions of one news story: the library behind the commands and the service."""
