"""Imported by each Python that has this folder on its PYTHONPATH: installs `faults` into the encoder's cache."""

import importlib.abc
import importlib.util
import sys


class FaultInstaller(importlib.abc.MetaPathFinder):
    """Find bert_spark.encoding.encoder_cache in the usual way, and let `faults` change it once it is loaded."""

    def find_spec(self, name, path, target=None):
        if name != "bert_spark.encoding.encoder_cache":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            if module.__name__ == name:  # a zip archive has one loader for all its modules
                import faults

                faults.install(module)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, FaultInstaller())
