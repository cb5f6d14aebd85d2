"""The three jobs: embed, train, score."""
