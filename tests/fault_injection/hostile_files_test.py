"""Files made to harm are refused within a second of CPU and little memory."""

import gzip
import io
import json
import os
import pathlib
import pickle
import subprocess
import sys
import tarfile
from collections.abc import Callable

import numpy as np
import pytest

from tests.fault_injection.children import ROOT
from tests.fixtures import model_folders

_SECONDS, _MIB = 1.0, 256
# Reads each file as text or as a model; prints what came of it, how long it
# took and how many MiB it needed at most.
_READER = """
import collections, json, pathlib, re, sys, time
from biobert_jax.checkpoints import pretrained
from biobert_jax.errors import InputError
from biobert_jax.text.readers.any_format import read_documents

def mib(field):
  status = pathlib.Path('/proc/self/status').read_text()
  return int(re.search(rf'^{field}:\\\\s*(\\\\d+)', status, re.M)[1]) / 1024

def reset():
  pathlib.Path('/proc/self/clear_refs').write_text('5')
  return mib('VmRSS')

before = reset()
len(bytearray(2**26))
assert mib('VmHWM') - before > 60, 'the peak of memory is not measured'
results = {}
for path in sys.argv[1:]:
  before, began = reset(), time.process_time()
  try:
    if '/text/' in path:
      said = repr([*read_documents(path, collections.Counter())])
    else:
      said = repr(pretrained.load_pretrained(path))
  except InputError as error:
    said = f'refused: {error}'
  took = time.process_time() - began
  results[path] = [said, took, mib('VmHWM') - before]
print(json.dumps(results))
""".replace('\\\\', '\\')
_PUBMED = (
  '<PubmedArticleSet><PubmedArticle><MedlineCitation><PMID>1</PMID><Article>'
  '<ArticleTitle>&x;</ArticleTitle></Article></MedlineCitation>'
  '</PubmedArticle></PubmedArticleSet>'
)


class Runs:
  """Makes a folder when it is unpickled."""

  def __reduce__(self) -> tuple:
    return os.mkdir, (Runs.marker,)

  marker = ''


def tar_gz(path: pathlib.Path, name: str) -> None:
  with tarfile.open(path, 'w:gz') as archive:
    member = tarfile.TarInfo(name)
    member.size = 4
    archive.addfile(member, io.BytesIO(b'text'))


def laughs(path: pathlib.Path) -> None:
  """Ten entities of ten each, a billion in all."""
  names = [f'<!ENTITY x{i} "{f"&x{i - 1};" * 10}">' for i in range(1, 10)]
  head = ''.join(['<!ENTITY x0 "lol">', *names, '<!ENTITY x "&x9;">'])
  path.write_text(f'<?xml version="1.0"?><!DOCTYPE a [{head}]>{_PUBMED}')


def blow_up(path: pathlib.Path) -> None:
  """One entity of 100 kB, 20,000 times: 2 GB."""
  head = f'<!ENTITY y "{"y" * 10**5}"><!ENTITY x "{"&y;" * 20_000}">'
  path.write_text(f'<?xml version="1.0"?><!DOCTYPE a [{head}]>{_PUBMED}')


def outside(path: pathlib.Path) -> None:
  secret = path.with_name('secret.txt')
  secret.write_text('TOP-SECRET')
  head = f'<!ENTITY x SYSTEM "{secret.as_uri()}">'
  path.write_text(f'<?xml version="1.0"?><!DOCTYPE a [{head}]>{_PUBMED}')


def pickled(path: pathlib.Path) -> None:
  model_folders.write_huggingface(path)
  (path / 'model.safetensors').unlink()
  (path / 'pytorch_model.bin').write_bytes(pickle.dumps({'weight': Runs()}))


def objects(path: pathlib.Path) -> None:
  np.save(path, np.array([Runs()], object), allow_pickle=True)


CASES: dict[str, Callable[[pathlib.Path], object]] = {
  'text/laughs.xml': laughs,
  'text/blow_up.xml': blow_up,
  'text/outside.xml': outside,
  'text/bomb.txt.gz': lambda p: p.write_bytes(gzip.compress(b'a' * 2**28)),
  'text/climbs.tar.gz': lambda p: tar_gz(p, '../escape.txt'),
  'model/climbs.tar.gz': lambda p: tar_gz(p, '../escape.txt'),
  'model/absolute.tar.gz': lambda p: tar_gz(p, str(p.parent / 'escape.txt')),
  'model/pickled': pickled,
  'model/objects.npy': objects,
  'model/apply.yaml': lambda p: p.write_text(
    f'!!python/object/apply:os.mkdir [{Runs.marker}]'
  ),
}


@pytest.fixture(scope='module')
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
  folder = tmp_path_factory.mktemp('hostile')
  Runs.marker = str(folder / 'it-ran')
  paths = []
  for name, make in CASES.items():
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    make(path)
    paths.append(str(path))
  done = subprocess.run(
    [sys.executable, '-c', _READER, *paths],
    capture_output=True,
    cwd=ROOT,
    check=True,
    text=True,
  )
  found = json.loads(done.stdout)
  assert not (folder / 'it-ran').exists()
  assert not [*folder.rglob('escape.txt')]
  # They would have done harm: to those who unpickle, and to those who extract.
  pickle.loads((folder / 'model/pickled/pytorch_model.bin').read_bytes())
  assert (folder / 'it-ran').exists()
  (folder / 'model/x').mkdir()
  with tarfile.open(folder / 'model/climbs.tar.gz') as archive:
    archive.extractall(folder / 'model/x', filter='fully_trusted')
  assert (folder / 'model/escape.txt').exists()
  return {name: found[str(folder / name)] for name in CASES}


@pytest.mark.parametrize('name', CASES)
def test_it_is_refused_at_once(results: dict[str, list], name: str) -> None:
  said, seconds, mib = results[name]
  assert 'TOP-SECRET' not in said
  assert said.startswith('refused: '), said
  assert '\n' not in said
  assert seconds < _SECONDS
  assert mib < _MIB
