"""An embedding function that is an object, for tests of settings and of function ids."""


class LayerState:
    """An embedding function with a value of its own: returns the state of one layer."""

    def __init__(self, number):
        self.number = number

    def __call__(self, output):
        return output[self.number]

    def take(self, output):
        return output[self.number]
