"""What small programs do, counted by hand."""

import pytest

from biobert_jax.preflight import hlo, program_cost


def module(entry, others=''):
  return hlo.parse(
    f'HloModule m, num_partitions=32\n\n{others}\n'
    f'ENTRY %main () -> f32[] {{\n{entry}}}\n'
  )


def cost(entry, others=''):
  return program_cost.analyze(module(entry, others))


def loop(body, trips=5):
  """A loop over `body`, as JAX writes one."""
  others = f"""%cond (c: (s32[], f32[4])) -> pred[] {{
  %c = (s32[], f32[4]{{0}}) parameter(0)
  %n = s32[]{{:T(128)}} constant({trips})
  %i = s32[] get-tuple-element(%c), index=0
  ROOT %lt = pred[] compare(%i, %n), direction=LT
}}

%body (b: (s32[], f32[4])) -> (s32[], f32[4]) {{
  %b = (s32[], f32[4]{{0}}) parameter(0)
{body}
  ROOT %t = (s32[], f32[4]{{0}}) tuple(%b)
}}

"""
  entry = """  %init = (s32[], f32[4]{0}) parameter(0)
  ROOT %w = (s32[], f32[4]{0}) while(%init), condition=%cond, body=%body
"""
  return entry, others


ALL_REDUCE = (
  '  %x = bf16[8,2]{1,0} parameter(9)\n'
  '  %r = bf16[8,2]{1,0} all-reduce(%x), replica_groups={{0,1,2,3}}, '
  'to_apply=%sum\n'
)


def test_a_message_in_a_loop_counts_as_often_as_it_is_sent():
  once = cost(ALL_REDUCE + '  ROOT %e = f32[] constant(0)\n')
  assert once.messages == (
    program_cost.Collectives('all-reduce', 'bf16', 4, 1, 32),
  )
  entry, others = loop(ALL_REDUCE)
  assert cost(entry, others).messages == (
    program_cost.Collectives('all-reduce', 'bf16', 4, 5, 160),
  )


@pytest.mark.parametrize(
  ('line', 'expected'),
  [
    (
      'bf16[32]{0} all-gather(%x), replica_groups=[2,8]<=[16], dimensions={0}',
      ('all-gather', 'bf16', 8, 1, 64),
    ),
    (
      "bf16[64]{0} all-gather(%x), replica_groups=mesh['axis_0'=16,'axis_1'=3] "
      "{'axis_0'}, dimensions={0}",
      ('all-gather', 'bf16', 16, 1, 128),
    ),
    (
      "bf16[24]{0} all-gather(%x), replica_groups=mesh['a'=16,'b'=3] "
      "{'a':(8)2,'b'}, dimensions={0}",
      ('all-gather', 'bf16', 6, 1, 48),
    ),
    (
      'bf16[128]{0} all-gather(%x), replica_groups={}, dimensions={0}',
      ('all-gather', 'bf16', 32, 1, 256),
    ),
    (
      'bf16[1]{0} reduce-scatter(%x), replica_groups={{0,1,2,3}}, to_apply=%s',
      ('reduce-scatter', 'bf16', 4, 1, 8),
    ),
    (
      '(bf16[4]{0}, bf16[4]{0}) collective-permute-start(%x), '
      'source_target_pairs={{0,1},{1,0}}',
      ('collective-permute', 'bf16', 2, 1, 8),
    ),
  ],
)
def test_messages_of_each_kind(line, expected):
  found = cost(
    f'  %x = bf16[4]{{0}} parameter(0)\n  %m = {line}\n'
    '  ROOT %d = bf16[4]{0} collective-permute-done(%m)\n'
  )
  assert found.messages == (program_cost.Collectives(*expected),)


def test_arrays_of_two_types_in_one_message_count_apart():
  found = cost(
    '  %x = bf16[4]{0} parameter(0)\n  %y = f32[] parameter(1)\n'
    '  ROOT %m = (bf16[4]{0}, f32[]) all-reduce(%x, %y), '
    'replica_groups={{0,1}}, to_apply=%s\n'
  )
  assert [(m.dtype, m.bytes) for m in found.messages] == [
    ('bf16', 8),
    ('f32', 4),
  ]


@pytest.mark.parametrize(
  ('line', 'left', 'right', 'flops'),
  [
    # 4 x 8 times 8 x 2.
    (
      'f32[4,2]{1,0} dot(%l, %r), lhs_contracting_dims={1}, '
      'rhs_contracting_dims={0}',
      *('f32[4,8]', 'f32[8,2]', 2 * 4 * 8 * 2),
    ),
    # The same as a convolution: rows, and a window of one.
    (
      'f32[4,16,2]{2,1,0} convolution(%l, %r), window={size=1}, '
      'dim_labels=0bf_io0->0bf',
      *('f32[4,16,8]', 'f32[8,2,1]', 2 * 4 * 16 * 8 * 2),
    ),
    # A batch of 12 x 12 products: one place of each window meets the input.
    (
      'bf16[12,12,512,64]{3,2,1,0} convolution(%l, %r), window={size=12x12 '
      'stride=11x11 lhs_dilate=12x12}, dim_labels=01fb_0i1o->01bf',
      *('bf16[12,12,512,512]', 'bf16[12,512,12,64]'),
      2 * 144 * 512 * 512 * 64,
    ),
    # A sum over 12 rows, the gradient of a weight.
    (
      'bf16[768,768,1]{1,0,2} convolution(%l, %r), window={size=12}, '
      'dim_labels=0fb_0io->bf0',
      *('bf16[12,512,768]', 'bf16[12,512,768]', 2 * 12 * 512 * 768 * 768),
    ),
    # A real one: a window of 3 over 5, padded by 1 at both ends.
    (
      'f32[1,5,1]{2,1,0} convolution(%l, %r), window={size=3 pad=1_1}, '
      'dim_labels=b0f_0io->b0f',
      *('f32[1,5,1]', 'f32[3,1,1]', 2 * 13),
    ),
  ],
)
def test_operations_of_a_product(line, left, right, flops):
  entry = (
    f'  %l = {left} parameter(0)\n  %r = {right} parameter(1)\n'
    f'  ROOT %p = {line}\n'
  )
  assert cost(entry).flops == flops


FUSED = """%f (p0: f32[1024], p1: s32[]) -> f32[16] {
  %p0 = f32[1024]{0} parameter(0)
  %p1 = s32[] parameter(1)
  ROOT %s = f32[16]{0} dynamic-slice(%p0, %p1), dynamic_slice_sizes={16}
}

"""


def test_traffic_is_what_lies_in_hbm():
  entry = (
    '  %a = f32[256]{0} parameter(0)\n'
    '  %b = f32[256]{0:T(256)S(1)} negate(%a)\n'
    '  ROOT %c = f32[256]{0} add(%b, %a)\n'
  )
  assert cost(entry).hbm_bytes == 1024 + (1024 + 1024)


def test_of_what_is_cut_only_the_piece_is_read():
  entry = (
    '  %a = f32[1024]{0} parameter(0)\n  %i = s32[]{:S(2)} parameter(1)\n'
    '  ROOT %c = f32[16]{0} fusion(%a, %i), kind=kLoop, calls=%f\n'
  )
  assert cost(entry, FUSED).hbm_bytes == 64 + 64


def test_of_what_is_changed_in_place_only_the_piece_is_written():
  entry = (
    '  %a = f32[1024]{0} parameter(0)\n  %u = f32[16]{0} parameter(1)\n'
    '  %i = s32[]{:S(2)} parameter(2)\n'
    '  ROOT %c = f32[1024]{0} dynamic-update-slice(%a, %u, %i)\n'
  )
  # The update is read, and written.
  assert cost(entry).hbm_bytes == 64 + 64


def test_copies_that_run_beside_count_once():
  entry = (
    '  %a = f32[256]{0} parameter(0)\n'
    '  %s = (f32[256]{0:S(1)}, f32[256]{0}, u32[]{:S(2)}) copy-start(%a)\n'
    '  %d = f32[256]{0:S(1)} copy-done(%s)\n'
    '  %t = (f32[256]{0}, f32[256]{0:S(1)}, u32[]{:S(2)}) copy-start(%d)\n'
    '  ROOT %e = f32[256]{0} copy-done(%t)\n'
  )
  assert cost(entry).hbm_bytes == 1024 + 1024


def test_a_message_that_runs_beside_reads_and_writes():
  entry = (
    '  %a = f32[256]{0} parameter(0)\n'
    '  %s = f32[256]{0} all-reduce-start(%a), replica_groups={{0,1}}, '
    'to_apply=%sum\n'
    '  ROOT %d = f32[256]{0} all-reduce-done(%s)\n'
  )
  assert cost(entry).hbm_bytes == 1024 + 1024


def test_slices_that_run_beside_count_once():
  others = FUSED.replace('%f (', '%async (').replace(
    'dynamic-slice(%p0, %p1), dynamic_slice_sizes={16}',
    'slice(%p0), slice={[0:16]}',
  )
  entry = (
    '  %a = f32[1024]{0} parameter(0)\n'
    '  %s = ((f32[1024]{0}), f32[16]{0:S(1)}, s32[]{:S(2)}) async-start(%a), '
    'calls=%async\n'
    '  ROOT %d = f32[16]{0:S(1)} async-done(%s)\n'
  )
  assert cost(entry, others).hbm_bytes == 64


def test_what_slices_send_each_other_is_counted_once():
  rest = (
    'channel_id=2, is_host_transfer=true, frontend_attributes={'
    '_xla_host_transfer_rendezvous="all-reduce_0",'
    '_xla_megascale_target="{1,3:5}x{0:15}",'
    '_xla_megascale_transfer_type="ALL_REDUCE"}'
  )
  entry = (
    '  %x = bf16[64]{0} parameter(0)\n  %a = token[] after-all()\n'
    f'  %s = (bf16[64]{{0}}, u32[], token[]) send(%x, %a), {rest}\n'
    f'  %r = (bf16[64]{{0}}, u32[], token[]) recv(%a), {rest}\n'
    '  %t = token[] send-done(%s), channel_id=2\n'
    '  ROOT %d = (bf16[64]{0}, token[]) recv-done(%r), channel_id=1\n'
  )
  found = cost(entry)
  assert found.messages == (
    program_cost.Collectives('slices-all-reduce', 'bf16', 4, 1, 128),
  )
  # Read to be sent, written when it has come.
  assert found.hbm_bytes == 128 + 128


def test_what_a_chip_sends_its_host_is_no_message():
  entry = (
    '  %x = bf16[64]{0} parameter(0)\n  %a = token[] after-all()\n'
    '  %s = (bf16[64]{0}, u32[], token[]) send(%x, %a), channel_id=2, '
    'is_host_transfer=true\n'
    '  ROOT %t = token[] send-done(%s), channel_id=2\n'
  )
  assert cost(entry).messages == ()


def test_what_is_computed_twice_is_counted():
  entry = (
    '  %a = f32[256]{0} parameter(0)\n'
    '  %b.remat2 = f32[256]{0} negate(%a)\n'
    '  ROOT %c = f32[256]{0} negate(%b.remat2)\n'
  )
  assert cost(entry).rematerialized == 1


def test_random_bits_are_counted():
  found = cost(
    '  %s = u64[2]{0} parameter(0)\n'
    '  ROOT %r = (u64[2]{0}, u32[100]{0}) rng-bit-generator(%s), '
    'algorithm=rng_default\n'
  )
  assert found.random_bytes == 400


def test_cycles_count_by_trips():
  line = '  %n = f32[] negate(%b), backend_config={"estimated_cycles":"7"}'
  assert program_cost.estimated_cycles(module(*loop(line))) == 35


def test_a_loop_that_says_how_often_is_believed():
  entry, others = loop(ALL_REDUCE)
  said = 'body=%body, backend_config={"known_trip_count":{"n":"3"}}'
  found = cost(entry.replace('body=%body', said), others)
  assert found.messages[0].count == 3


def test_a_loop_without_a_bound_is_refused():
  entry, others = loop(ALL_REDUCE)
  with pytest.raises(ValueError, match='0 constants'):
    cost(entry, others.replace('s32[]{:T(128)} constant(5)', 's32[] iota()'))
