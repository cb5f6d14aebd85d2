"""A fitted pipeline as data on disk.

Owns the files and the format of an artefact, saving, loading, and the audit before anything is built.
Refuses pickles, code, and every type that is not on the trusted list.
May import `estimators`, `encoding` and the root modules. Never imports pyspark.
Other packages use `artefact.Artefact`, `artefact_group.ArtefactGroup`, `artefact_group.load_group`,
`artefact_group.cached_group`, `artefact_names.names_of_folders`, `loading.load_artefact`, `saving.save_artefact`,
`saving.check_folder_free`, `format_versions.METADATA_FILE` and `format_versions.no_artefact`.
"""
