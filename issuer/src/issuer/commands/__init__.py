"""The commands: each module exports `add_to(commands)`, which declares its arguments and what runs."""
