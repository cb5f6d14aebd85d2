"""A fitted pipeline as data on disk.

Owns the artefact's files and format, saving, loading and the audit of what is loaded.
Refuses pickles, code, and every type that is not on the trusted list.
Other packages use `artefact.Artefact`, `loading.load_artefact` and `saving.save_artefact`.
May import `estimators`, `encoding` and the root modules. Never imports pyspark.
"""
