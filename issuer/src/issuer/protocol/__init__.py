"""The rules of the protocol: pure functions, no framework, no I/O, no clock."""
