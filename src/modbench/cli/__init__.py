"""Arguments only; each command imports what it needs when it is called."""
