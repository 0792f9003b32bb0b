"""XLA's reports of memory, as it writes them."""

import pytest

from biobert_jax.slices import memory

# XLA writes it on one line.
_PARAMETER = 'parameter 5, shape |f32[250]| at ShapeIndex {}'
ASSIGNMENT = f"""BufferAssignment:
allocation 0: size 512, thread-local:
 value: <6 tuple.829{{}} @0> (size=512,offset=0): (u32[]{{:T(128)}})
allocation 1: size 1000, {_PARAMETER}, maybe-live-out:
 value: <37782 param.235 @0> (size=1000,offset=0): f32[250]{{0}}
allocation 2: size 24, parameter 0, shape |s32[6]| at ShapeIndex {{}}:
allocation 3: size 118784, constant:
allocation 4: size 256, output shape is |(f32[], f32[])|, maybe-live-out:
allocation 5: size 64, maybe-live-out:
allocation 6: size 9000, preallocated-temp:
allocation 7: size 4096, color 1, preallocated-temp:
allocation 8: size 77, color 6, parameter 3, shape |s32[1]| at ShapeIndex {{}}:
"""
REPORT = """Memory Space: default (color=0)
Total bytes: 10344 (10.1KiB)
  cumulative_size;       size;       offset; used_by_n_values; shapes_list
  ------------------------------------------------------------
    3.00KiB( 30%);    3.00KiB;            0;                1; f32[12,64]
    6.00KiB( 60%);    3.00KiB;         3072;                1; f32[12,64]
    9.00KiB( 90%);    3.50KiB;         6144;                2; 2×bf16[1792]
   10.01KiB(100%);      24B;         9728;                1; s32[6]

Memory Space: vmem (color=1)
Total bytes: 4096 (4.0KiB)
  cumulative_size;       size;       offset; used_by_n_values; shapes_list
  ------------------------------------------------------------
    4.00KiB(100%);    4.00KiB;            0;                1; f32[1024]
"""


def test_bytes_by_what_they_are():
  found = memory.memory_of(ASSIGNMENT, REPORT)
  assert (found.arguments, found.outputs) == (1024, 320)
  assert found.total == 10344
  assert found.temporaries == 9000


def test_the_largest_arrays_of_hbm_come_first():
  largest = memory.memory_of(ASSIGNMENT, REPORT).largest
  assert largest == (
    (6144, '2 x f32[12,64]'),
    (3584, '2×bf16[1792]'),
    (24, 's32[6]'),
  )


def test_another_report_is_refused():
  with pytest.raises(ValueError, match='no total'):
    memory.memory_of(ASSIGNMENT, REPORT.replace('Total bytes', 'Sum'))
