"""The grants: each module is one `grant_type`, and decides; it neither signs nor formats."""
