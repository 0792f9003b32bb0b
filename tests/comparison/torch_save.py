"""Baseline script: state dicts of odd tensors, saved by PyTorch in both forms.

Usage: torch_save.py FOLDER. Answers as NumPy sees them go to answers.npz.
"""

import pathlib
import sys

import numpy as np
import torch

NARROW = (torch.bfloat16, torch.float8_e4m3fn)  # Types that NumPy lacks.


def odd_tensors():
  torch.manual_seed(0)
  base = torch.randn(5, 7)
  tensors = torch.nn.Linear(3, 4).state_dict()  # With `_metadata`.
  tensors.update(
    tied=tensors['weight'],
    transposed=base.t(),
    strided=base[1:, ::2],
    row=base[2],
    scalar=torch.tensor(7),
    expanded=torch.arange(5).expand(3, 5),
    empty=torch.zeros(0, 3),
    parameter=torch.nn.Parameter(base),
    half=base.half(),
    brain=base.bfloat16().t(),
    double=base.double(),
    long=torch.arange(9).reshape(3, 3) - 2**40,
    mask=torch.tensor([True, False]),
    byte=torch.arange(3).to(torch.uint8),
    short=torch.arange(4).to(torch.uint16),
    eight=torch.ones(3).to(torch.float8_e4m3fn),
  )
  return tensors


def main():
  folder = pathlib.Path(sys.argv[1])
  tensors = odd_tensors()
  for form in ('zip', 'legacy'):
    for protocol in (2, 4):
      torch.save(
        tensors,
        folder / f'{form}-{protocol}.bin',
        _use_new_zipfile_serialization=form == 'zip',
        pickle_protocol=protocol,
      )
  torch.save(
    {'epoch': 3, 'state_dict': tensors, 'optimizer': {}},
    folder / 'nested.bin',
  )
  torch.save(torch.nn.Linear(2, 2), folder / 'module.bin')
  torch.save({'s': torch.eye(2).to_sparse()}, folder / 'sparse.bin')
  answers = {}
  for name, tensor in tensors.items():
    tensor = tensor.detach()
    tensor = tensor.float() if tensor.dtype in NARROW else tensor
    answers[name] = tensor.contiguous().numpy()
  np.savez(folder / 'answers.npz', **answers)


if __name__ == '__main__':
  main()
