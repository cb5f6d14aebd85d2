"""The tests; `tests/<package>/` tests `bert_spark/<package>/`, helpers are in `tests/support/`."""
