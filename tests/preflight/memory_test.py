"""XLA's reports of memory, as it writes them."""

import pytest

from biobert_jax.preflight import memory
from tests.fixtures.compiler_reports import ASSIGNMENT, REPORT


def test_bytes_by_what_they_are():
  found = memory.parse_memory(ASSIGNMENT, REPORT)
  assert (found.arguments, found.outputs) == (1024, 320)
  assert found.total == 10344
  assert found.temporaries == 9000


def test_the_largest_arrays_of_hbm_come_first():
  largest = memory.parse_memory(ASSIGNMENT, REPORT).largest
  assert largest == (
    (6144, '2 x f32[12,64]'),
    (3584, '2×bf16[1792]'),
    (24, 's32[6]'),
  )


def test_another_report_is_refused():
  with pytest.raises(ValueError, match='no total'):
    memory.parse_memory(ASSIGNMENT, REPORT.replace('Total bytes', 'Sum'))
