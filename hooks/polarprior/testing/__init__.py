"""The conformance suite that a plugin's author inherits.

from polarprior.testing import GeneratorPluginTests

class TestMyPlugin(GeneratorPluginTests):
    model = "my-plugin:checkpoint.pt"
"""

from polarprior.cli.main import main as main
from polarprior.testing.suite import THREE_HOOKS as THREE_HOOKS
from polarprior.testing.suite import GeneratorPluginTests as GeneratorPluginTests
