"""Kits hold assertions; have pytest explain those too."""

import pytest

pytest.register_assert_rewrite("tests.kits")
