"""The facts and their history in Postgres: connections, locks, migrations and SQL."""
