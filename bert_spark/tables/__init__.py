"""DataFrames in and out of storage.

Owns reading, column checks, provenance, partitioning by bytes, row counts, writing, replacing partitions, and small files.
Refuses to encode: a DataFrame function that runs BERT belongs to `spark`.
May import `encoding` (settings and fingerprints) and the root modules.
"""
