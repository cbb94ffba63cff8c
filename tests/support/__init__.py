"""What tests of every kind share: real servers and what this machine can run."""
