"""Puts polarprior_flag.pth beside the module, where Python reads it when it starts."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithTheLine(build_py):
    """Builds the module, and the line of the .pth file with it."""

    def run(self):
        super().run()
        self.copy_file("polarprior_flag.pth", str(Path(self.build_lib) / "polarprior_flag.pth"))


setup(cmdclass={"build_py": WithTheLine})
