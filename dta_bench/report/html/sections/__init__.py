"""The sections of a report's page; each is drawn from the report, and is None where the report lacks its part."""
