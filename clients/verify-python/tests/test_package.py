"""What the package needs."""

import ast
import re
import sys
import unittest
from pathlib import Path

import countersign_verify

ADAPTERS = {
    "fastapi": {"fastapi"},
    "flask": {"flask"},
    "django": {"django", "rest_framework"},
}


class Package(unittest.TestCase):
    def test_it_is_built_on_pyjwt_and_nothing_else(self):
        for file in Path(countersign_verify.__file__).parent.glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.level == 0:
                    names = [node.module]
                else:
                    continue
                for name in names:
                    top = name.split(".")[0]
                    allowed = {"jwt"} | ADAPTERS.get(file.stem, set())
                    self.assertTrue(
                        top in allowed or top in sys.stdlib_module_names, f"{file.name}: {name}"
                    )
        project = (Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8")
        self.assertEqual(
            re.findall(r"^dependencies = (.*)$", project, re.MULTILINE), ['["PyJWT[crypto]>=2.8"]']
        )

    def test_everything_that_is_named_is_there(self):
        for name in countersign_verify.__all__:
            self.assertTrue(getattr(countersign_verify, name).__doc__, name)


if __name__ == "__main__":
    unittest.main()
