"""The storage contract kept: tables, SQL and migrations. Only `app` and the commands import it."""
