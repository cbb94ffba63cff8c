"""One test for each requirement of the specifications, on the running pair, over sockets."""
