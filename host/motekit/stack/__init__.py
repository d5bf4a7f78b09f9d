"""The backend on Docker Compose: its secrets, certificates and accounts, and its services."""
