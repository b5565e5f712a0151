"""The public JSON files of a report, a table of the paper and a replay, as typed records."""
