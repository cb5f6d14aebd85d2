"""What several tests share: tiny models, fakes, a cluster, nightly runs."""
