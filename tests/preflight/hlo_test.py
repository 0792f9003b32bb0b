"""Programs as text: computations, shapes, memories."""

import pytest

from biobert_jax.preflight import hlo

TEXT = """HloModule small, is_scheduled=true

%inner (p0: f32[4,8], p1: f32[8,2]) -> f32[4,2] {
  %p0 = f32[4,8]{1,0:T(8,128)S(1)} parameter(0)
  %p1 = f32[8,2]{1,0:T(8,128)} parameter(1)
  ROOT %dot.1 = f32[4,2]{1,0} dot(%p0, %p1), lhs_contracting_dims={1}
}

ENTRY %main.7 (a: f32[4,8], b: f32[8,2]) -> (f32[4,2], bf16[3]) {
  %a = f32[4,8]{1,0:T(8,128)S(1)} parameter(0), metadata={op_name="x"}
  %b = f32[8,2]{1,0:T(8,128)} parameter(1)
  %c = bf16[3]{0} constant({1, 2, 3})
  %fusion.1 = f32[4,2]{1,0} fusion(%a, %b), kind=kOutput, calls=%inner
  ROOT %out = (f32[4,2]{1,0:T(8)}, /*index=1*/bf16[3]{0}) tuple(%fusion.1, %c)
}
"""


def test_a_program_is_read():
  module = hlo.parse(TEXT)
  assert module.entry == 'main.7'
  assert set(module.computations) == {'inner', 'main.7'}
  entry = module.computations['main.7']
  assert entry.root.name == 'out'
  assert entry.root.operands == ('fusion.1', 'c')
  assert entry.instructions['fusion.1'].called == {'calls': 'inner'}
  assert entry.instructions['b'].operands == ('1',)
  product = module.computations['inner'].root
  assert product.attribute('lhs_contracting_dims') == '{1}'
  assert product.attribute('absent') == ''


def test_arrays_have_their_size_and_memory():
  entry = hlo.parse(TEXT).computations['main.7']
  (a,) = entry.instructions['a'].arrays
  assert (a.dtype, a.dims, a.space, a.bytes) == ('f32', (4, 8), 1, 128)
  first, second = entry.root.arrays
  assert (first.bytes, first.space) == (32, 0)
  assert (second.dtype, second.bytes) == ('bf16', 6)


@pytest.mark.parametrize(
  ('shape', 'size'),
  [
    ('pred[7]{0}', 7),
    ('u8[2,3]', 6),
    ('s4[8]', 4),
    ('f8e4m3fn[5]', 5),
    ('f32[]', 4),
    ('c64[2]', 16),
    ('token[]', 0),
    ('(s32[2]{0}, (f64[1]{0}, u16[3]{0}))', 8 + 8 + 6),
  ],
)
def test_sizes(shape, size):
  assert sum(array.bytes for array in hlo.arrays(shape)) == size


def test_branches_are_called():
  line = '  %c = f32[] conditional(%i, %x, %y), branch_computations={%f, %g}'
  text = TEXT.replace('  %c = bf16[3]{0} constant({1, 2, 3})', line)
  one = hlo.parse(text).computations['main.7'].instructions['c']
  assert set(one.called.values()) == {'f', 'g'}


def test_what_is_no_program_is_refused():
  with pytest.raises(ValueError, match='no ENTRY'):
    hlo.parse('HloModule x\n')
  with pytest.raises(ValueError, match='not closed'):
    hlo.parse(TEXT.replace('constant({1, 2, 3})', 'constant({1, 2, 3}'))
