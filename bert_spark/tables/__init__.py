"""DataFrames in and out of storage.

Owns reading an input, guesses about its files, column checks, the vectors that it holds, row counts, partitioning by
bytes, the metadata that names a column's encoder, checks and versions of an output, writing, replacing partitions, and
small files beside an output.
Refuses to run BERT: a DataFrame function that embeds or scores belongs to `spark`.
May import `encoding` (settings, fingerprints, error reasons) and the root modules.
Other packages use the public functions and classes of every module here.
"""
