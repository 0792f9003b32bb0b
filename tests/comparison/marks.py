"""What the tests of this folder are marked with."""

import os

import pytest

# For a script that people start by hand: minutes that CI does not have.
by_hand = pytest.mark.skipif(
  not os.environ.get('BIOBERT_COMPARISONS'),
  reason='minutes: set BIOBERT_COMPARISONS=1 (CONTRIBUTING.md)',
)
