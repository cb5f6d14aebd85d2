"""How long a test waits for a process: so long that only one that hangs is given up, however slow the machine is."""

HANGS_AFTER_S = 1200
