"""Kernels by the lines that the TPU's compiler writes of them."""

import pytest

from biobert_jax.preflight import hlo, program_cost

# 12 rows of 2,048 pieces, 2 heads of 64, in blocks of 512.
Q = 'bf16[12,2,2048,64]{3,2,1,0:T(8,128)(2,1)}'
SCRATCH = 'f32[12,512,64]{2,1,0:T(8,128)}'
SUMS = 'f32[12,2,8,2048]{3,2,1,0:T(8,128)}'
OPERANDS = f"""  %info = s8[1,4,4]{{2,1,0}} constant({{...}})
  %q = {Q} parameter(0)
  %k = {Q} parameter(1)
  %v = {Q} parameter(2)
  %ids = s32[12,2048,128]{{2,1,0:T(8,128)}} parameter(3)
  %sums = {SUMS} parameter(4)
  %given = {Q} parameter(5)
"""
BYTES = 12 * 2 * 2048 * 64 * 2
OF_IDS, OF_SUMS = 12 * 2048 * 128 * 4, 12 * 2 * 8 * 2048 * 4
OF_SCRATCH = 12 * 512 * 64 * 4
PRODUCT = 2 * 12 * 2 * 2048 * 2048 * 64


def cost(name, results, operands):
  line = (
    f'  ROOT %{name}.1 = ({", ".join(results)}) custom-call({operands}), '
    'custom_call_target="tpu_custom_call", frontend_attributes='
    '{kernel_metadata={\n"xprof_metadata":"{}"\n}}, backend_config={}\n'
  )
  return program_cost.analyze(
    hlo.parse(f'HloModule m\n\nENTRY %main () -> f32[] {{\n{OPERANDS}{line}}}')
  )


@pytest.mark.parametrize(
  ('phase', 'results', 'products', 'again'),
  [
    # Keys and values for each of four blocks of queries.
    ('fwd', [SCRATCH, SCRATCH, SCRATCH, Q], 2, 3 * 2 * BYTES),
    ('dq', [SCRATCH, Q], 3, 3 * 2 * BYTES),
    # Queries and what comes with them for each of four blocks of keys.
    ('dkv', [SCRATCH, SCRATCH, Q, Q], 4, 3 * (2 * BYTES + OF_SUMS)),
  ],
)
def test_what_a_kernel_does(phase, results, products, again):
  found = cost(
    f'splash_mha_{phase}_segmented_no_residuals',
    results,
    '%info, %info, %q, %k, %v, /*index=5*/%ids'
    + (', %sums, %given' if phase != 'fwd' else ''),
  )
  assert found.flops == products * PRODUCT
  size = {Q: BYTES, SCRATCH: OF_SCRATCH}
  once = 2 * 16 + 3 * BYTES + OF_IDS + sum(size[r] for r in results)
  if phase != 'fwd':
    once += BYTES + OF_SUMS
  assert found.hbm_bytes == once + again


def test_all_gradients_by_one_kernel():
  whole = SCRATCH.replace('512', '2048')
  found = cost(
    'splash_mha_dkv_segmented_no_residuals',
    [whole, whole, Q, Q, Q],
    '%info, %info, %q, %k, %v, %ids, %sums, %given',
  )
  assert found.flops == 5 * PRODUCT
  # The block is the row: everything is read once.
  once = 2 * 16 + 4 * BYTES + OF_IDS + OF_SUMS + 3 * BYTES
  assert found.hbm_bytes == once + 2 * 4 * OF_SCRATCH


def test_what_lies_in_the_core_is_not_read_again(monkeypatch):
  monkeypatch.setattr(
    f'{__name__}.OPERANDS', OPERANDS.replace('(2,1)}', '(2,1)S(1)}')
  )
  name, results = 'splash_mha_fwd_segmented_no_residuals', [SCRATCH, Q]
  found = cost(name, results, '%info, %q, %k, %v')
  assert found.hbm_bytes == 16 + OF_SCRATCH + BYTES


def test_other_custom_calls_have_no_products():
  assert cost('sort', [Q], '%q').flops == 0
  assert cost('sort', [Q], '%q').hbm_bytes == 2 * BYTES
