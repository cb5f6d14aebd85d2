"""Command lines and notebook widgets.

Owns the parsing of options and TOML files, the exit codes, and what the three table jobs share.
Refuses work of its own: it hands settings on. May import every package.
"""
