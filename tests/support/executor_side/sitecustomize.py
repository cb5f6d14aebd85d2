"""Read by each Python that finds this folder on its PYTHONPATH: arms `faults` when it imports bert_spark.encoding.encoder_cache."""

import importlib.abc
import importlib.util
import sys


class Arm(importlib.abc.MetaPathFinder):
    """Find bert_spark.encoding.encoder_cache as everybody does, and let `faults` change it when it is loaded."""

    def find_spec(self, name, path, target=None):
        if name != "bert_spark.encoding.encoder_cache":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            if module.__name__ == name:  # a zip's loader serves all its modules
                import faults

                faults.arm(module)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Arm())
