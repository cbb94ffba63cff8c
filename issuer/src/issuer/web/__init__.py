"""What endpoints share: the only code that speaks HTTP."""
