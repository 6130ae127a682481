"""An app of a site, whose rows refer to the history; tests install it (see tests/in_use.py)."""
