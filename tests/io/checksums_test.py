"""Tests of SHA-256 sums, against digests of sha256sum."""

import numpy as np

from biobert_jax.io import checksums

_ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'


def test_a_file(tmp_path):
  (tmp_path / 'x').write_bytes(b'abc')
  assert checksums.file_sha256(tmp_path / 'x') == _ABC
  assert checksums.file_sha256(str(tmp_path / 'x')) == _ABC


def test_an_array_counts_in_c_order():
  array = np.frombuffer(b'abc', np.uint8)
  assert checksums.array_sha256(array) == _ABC
  square = np.arange(6, dtype=np.float32).reshape(2, 3)
  assert checksums.array_sha256(square.T) != checksums.array_sha256(square)
  turned = np.asfortranarray(square)
  assert checksums.array_sha256(turned) == checksums.array_sha256(square)
