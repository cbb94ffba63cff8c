"""The endpoints: each module exports `router` and `metadata(settings)`, what it adds to discovery."""
