"""SHA-256 of files and arrays."""

import hashlib
import os

import numpy as np


def file_sha256(path: str | os.PathLike[str]) -> str:
  """SHA-256 of a file's bytes, in hexadecimal."""
  with open(path, 'rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def array_sha256(array: np.ndarray) -> str:
  """SHA-256 of an array's bytes in C order, in hexadecimal."""
  return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
