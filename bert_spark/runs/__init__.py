"""One run of a job: plain, by day, or incremental.

Owns the task, staging, the audit, publishing, the lock, records and their history, progress and estimates.
Refuses to know a command line: settings come in as dataclasses.
May import every package but `cli`.
"""
