"""A fake session that records the archives it is sent."""

import sys
import zipfile


class RecordingSession:
    """Like Spark, leaves the archive of a package on the driver's sys.path.

    `sent` holds, for each archive, the name after "#" and its files: name -> content.
    """

    def __init__(self):
        self.sent = []

    def addArtifacts(self, path, pyfile=False, archive=False):
        if pyfile:
            sys.path.insert(1, path)
        with zipfile.ZipFile(path.partition("#")[0]) as content:
            self.sent.append((path.partition("#")[2], {name: content.read(name) for name in content.namelist()}))
