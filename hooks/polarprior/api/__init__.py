"""The door: the public functions. Where no host is named, theirs is the one with the installed plugins."""
