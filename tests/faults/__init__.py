"""What happens to a running issuer when something breaks: killed, starved, locked out, restarted, set to another time.

The same tests in each run of all tests, and at full size by `./dev faults`.
"""
