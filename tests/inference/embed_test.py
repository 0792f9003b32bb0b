"""Vectors of texts beside those of each text run by itself."""

import io
import itertools
import json

import jax
import numpy as np
import pytest

from biobert_jax import __main__ as command_line
from biobert_jax.checkpoints import export, import_weights, pretrained
from biobert_jax.errors import InputError
from biobert_jax.inference import embed
from biobert_jax.models.encoder import BertEncoder, Inputs
from biobert_jax.models.param_tree import to_tree
from biobert_jax.text.documents import Document, Entity
from tests.fixtures import model_folders

CONFIG = model_folders.CONFIG
ALL = (-1, -2, -3)
LETTERS = 'abcdefghijklmnopqrstuv'
# Each letter is a piece, in a word too.
PIECES = (*model_folders.SPECIALS, 'A', *LETTERS, *('##' + c for c in LETTERS))
# Short and long, in no order, one without any piece.
TEXTS = ('abc', 'a' * 30, '\u200b', 'a', 'bc' * 9, 'a b\tc' * 5, 'z', 'ab')


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  folder = tmp_path_factory.mktemp('model')
  write_model(folder)
  return str(folder)


def write_model(folder, pieces=PIECES):
  model_folders.write_huggingface(folder, 'token')
  (folder / 'vocab.txt').write_text('\n'.join(pieces) + '\n')


@pytest.fixture(scope='module')
def alone(model):
  """ids -> all layers' vectors [pieces, 3, D] of these in a row of 64."""
  opened = pretrained.load_pretrained(model)
  params = to_tree(opened.params, scan_layers=False)['bert']

  @jax.jit
  def run(*features):
    return BertEncoder(CONFIG).apply(
      {'params': params}, Inputs(*features), all_layers=True
    )

  def vectors(ids):
    row = np.pad(ids, (0, 64 - len(ids)))[None].astype(np.int32)
    places = np.arange(64, dtype=np.int32)[None]
    real = (places < len(ids)).astype(np.int32)
    layers = np.asarray(run(row, 0 * row, places, real).layers)
    # The embeddings come first; --layers counts from the last.
    return layers[::-1, 0, : len(ids)].swapaxes(0, 1)

  return vectors


def ids_of(model, text):
  tokenizer = pretrained.load_pretrained(model).tokenizer
  return [tokenizer.cls_id, *tokenizer.encode(text)[0], tokenizer.sep_id]


def documents_of(texts):
  return [Document(str(i), text) for i, text in enumerate(texts)]


def run(tmp_path, model, text, *flags, suffix='.npz'):
  """The report and the output of a call of the program."""
  source, output = tmp_path / 'in.txt', tmp_path / f'out{suffix}'
  source.write_text(text, 'utf-8')
  report = embed.embed(model, str(source), str(output), *flags)
  if suffix == '.jsonl':
    lines = output.read_text('utf-8').splitlines()
    return report, [json.loads(line) for line in lines]
  with np.load(output, allow_pickle=False) as arrays:
    return report, dict(arrays)


def close(ours, wanted):
  np.testing.assert_allclose(ours, wanted, atol=2e-6, rtol=0)


@pytest.fixture(params=[64, 16])
def short_rows(request, monkeypatch):
  """Rows of one length, or of 16, 32 and 64."""
  monkeypatch.setattr(embed, '_SHORTEST_ROW', request.param)


def test_vectors_are_those_of_a_text_alone(
  tmp_path, model, alone, short_rows, monkeypatch
):
  lengths = []
  original = embed.PackedRows

  def packed(*arguments, **options):
    rows = original(*arguments, **options)
    lengths.append((options['max_seq_length'], rows.num_rows))
    return rows

  monkeypatch.setattr(embed, 'PackedRows', packed)
  text = ''.join(text + '\n' for text in TEXTS)
  ids = [ids_of(model, text) for text in TEXTS]
  wanted = [alone(of_text) for of_text in ids]
  results = {}
  for pooling in ('mean', 'cls', 'tokens'):
    flags = (','.join(map(str, ALL)), pooling)
    report, results[pooling] = run(tmp_path, model, text, *flags)
    assert (report['texts'], report['pieces']) == (8, sum(map(len, ids)))
    assert report['vectors'] == len(results[pooling]['vectors'])
    assert (report['layers'], report['hidden_size']) == (list(ALL), 24)
    assert results[pooling]['ids'].tolist() == [str(i) for i in range(1, 9)]
  close(results['mean']['vectors'], [w.mean(axis=0) for w in wanted])
  close(results['cls']['vectors'], [w[0] for w in wanted])
  tokens = results['tokens']
  close(tokens['vectors'], np.concatenate(wanted))
  assert tokens['input_ids'].tolist() == list(itertools.chain(*ids))
  for text, (first, last) in zip(
    TEXTS, itertools.pairwise(tokens['offsets']), strict=True
  ):
    places = zip(tokens['starts'], tokens['ends'], strict=True)
    pieces = [text[s:e] for s, e in itertools.islice(places, first, last)]
    assert pieces == ['', *''.join(text.split()).strip('\u200b'), '']
  # Several texts a row, and rows as short as may be.
  if embed._SHORTEST_ROW == 16:
    assert {length for length, _ in lengths} == {16, 32}
  assert sum(rows for _, rows in lengths) < 3 * len(TEXTS)


@pytest.mark.parametrize('layers', ['-1', '-3,-1', '-2'])
def test_layers_in_the_order_asked_for(tmp_path, model, alone, layers):
  _, found = run(tmp_path, model, 'abc\n', layers, 'cls')
  numbers = [int(n) for n in layers.split(',')]
  assert found['layers'].tolist() == numbers
  vectors = alone(ids_of(model, 'abc'))[0]
  close(found['vectors'][0], [vectors[-1 - n] for n in numbers])


def test_a_long_text_is_read_where_it_has_most_context(tmp_path, model, alone):
  text = LETTERS * 2
  (first, *pieces, last) = ids_of(model, text)
  assert len(pieces) == 44
  # Windows of 14 pieces, 4 shared; the last one is shorter.
  ranges = [(0, 14), (10, 24), (20, 34), (30, 44)]
  each = [alone([first, *pieces[a:b], last]) for a, b in ranges]
  wanted = [each[0][0]]
  for i in range(44):
    context = [min(i - a, b - 1 - i) for a, b in ranges]
    best = int(np.argmax(context))
    wanted.append(each[best][1 + i - ranges[best][0]])
  wanted = np.stack([*wanted, each[-1][-1]])
  text = f'ab\n{text}\ncd\n'
  for pooling in ('mean', 'cls', 'tokens'):
    flags = ('-1,-2,-3', pooling, 16)
    report, found = run(tmp_path, model, text, *flags)
    assert report['pieces'] == 46 + 2 * 4
    if pooling == 'tokens':
      close(found['vectors'][4:-4], wanted)
    else:
      mean = pooling == 'mean'
      close(found['vectors'][1], wanted.mean(axis=0) if mean else wanted[0])
      short = alone(ids_of(model, 'ab'))
      close(found['vectors'][0], short.mean(axis=0) if mean else short[0])


PUBTATOR = (
  '10|t|abc de\n10|a|fgh\n10\t1\t5\tbc d\tDisease\n10\t7\t10\tfgh\tGene\n\n'
  '11|t|no entity\n\n'
)
JSONL = """
{"id": "10", "text": "abc de\\nfgh", "entities": [{"start": 1, "end": 5, \
"type": "Disease"}, {"start": 7, "end": 10, "type": "Gene", "score": 0.5}]}
{"id": "11", "text": "no entity", "entities": []}
"""


@pytest.mark.parametrize('given', [PUBTATOR, JSONL])
def test_entities(tmp_path, model, alone, given):
  vectors = alone(ids_of(model, 'abc de fgh'))
  wanted = [vectors[2:5].mean(axis=0), vectors[6:9].mean(axis=0)]
  report, found = run(tmp_path, model, given, '-1,-2,-3', 'entity')
  assert (report['texts'], report['vectors']) == (2, 2)
  close(found['vectors'], wanted)
  assert found['text_index'].tolist() == [0, 0]
  assert (found['starts'].tolist(), found['ends'].tolist()) == ([1, 7], [5, 10])
  assert found['types'].tolist() == ['Disease', 'Gene']
  flags = ('-1,-2,-3', 'entity')
  _, rows = run(tmp_path, model, given, *flags, suffix='.jsonl')
  assert [row['id'] for row in rows] == ['10', '11']
  assert rows[1]['entities'] == []
  assert rows[0]['entities'][0]['text'] == 'bc d'
  layers = rows[0]['entities'][0]['layers']
  close([layer['values'] for layer in layers], wanted[0])


def test_an_entity_cut_inside_pieces_or_without_any(tmp_path, model, alone):
  folder = tmp_path / 'words'
  pieces = (*PIECES[:-2], 'abc', '##de')
  write_model(folder, pieces)
  embedder = embed.Embedder(str(folder), pooling='entity')
  spans = [(1, 2), (2, 4), (5, 6), (6, 7)]
  text = 'abcde \u200bA'
  entities = tuple(Entity(s, e, 'T', text[s:e]) for s, e in spans)
  (found,) = embedder([Document('1', text, entities)])
  # [CLS] abc ##de A [SEP]
  vectors = alone([2, len(pieces) - 2, len(pieces) - 1, 5, 3])[:, :1]
  # The blank and the invisible character have none.
  assert found.entities == entities[:2]
  close(found.vectors, [vectors[1], vectors[1:3].mean(axis=0)])
  assert embedder._counts['entities_without_pieces'] == 2


def test_jsonl_is_that_of_extract_features(tmp_path, model, alone):
  flags = ('-1,-3', 'tokens')
  _, rows = run(tmp_path, model, 'ab\n\nc\n', *flags, suffix='.jsonl')
  assert [row['linex_index'] for row in rows] == [0, 1]
  names = [feature['token'] for feature in rows[0]['features']]
  assert names == ['[CLS]', 'a', '##b', '[SEP]']
  vectors = alone(ids_of(model, 'ab'))
  for feature, vector in zip(rows[0]['features'], vectors, strict=True):
    assert [layer['index'] for layer in feature['layers']] == [-1, -3]
    close([layer['values'] for layer in feature['layers']], vector[[0, 2]])
  _, rows = run(tmp_path, model, 'ab\n', '-1', 'mean', suffix='.jsonl')
  (layer,) = rows[0]['layers']
  close(layer['values'], vectors[:, 0].mean(axis=0))


@pytest.mark.parametrize('pooling', ['mean', 'tokens'])
def test_chunks_change_nothing_and_bound_what_is_read(
  model, monkeypatch, pooling
):
  texts = documents_of([TEXTS[i % 8] for i in range(400)])
  embedder = embed.Embedder(model, ALL, pooling)
  together = list(embedder(texts))  # In several batches.
  read = itertools.count()
  given = (text for text in texts if next(read) >= 0)
  floats = 40 * len(ALL) * CONFIG.hidden_size
  monkeypatch.setattr(embed, '_CHUNK_FLOATS', floats)
  pieces = []
  original = embedder._embed

  def embed_chunk(chunk):
    pieces.append(sum(len(text.input_ids) for text in chunk))
    return original(chunk)

  monkeypatch.setattr(embedder, '_embed', embed_chunk)
  apart = list(itertools.islice(embedder(given), 200))
  assert next(read) < 200 + 10  # Hardly more than was needed.
  assert len(pieces) > 5
  assert max(pieces) < 40 + 32
  for one, other in zip(together[:200], apart, strict=True):
    assert one.document == other.document
    close(one.vectors, other.vectors)


def test_memory_on_the_way_back_is_that_of_sequences(model):
  embedder = embed.Embedder(model, ALL, 'mean')
  encoded = embed.windows.encode_slots(
    [[5] * 10] * 50,
    embedder._tokenizer,
    max_seq_length=64,
    overlap=16,
    counts=embedder._counts,
  )
  (rows,) = embedder._rows(encoded)
  for batch, output in embedder._run(rows):
    assert output.shape == (3, len(batch['input_ids']), 8, CONFIG.hidden_size)
  # Five windows of twelve a row; texts of one piece get a wider program.
  list(embedder(documents_of('a' * 30)))
  assert sorted(embedder._run._compiled) == [(64, 8), (64, 32)]


def test_every_native_form(tmp_path, model):
  opened = pretrained.load_pretrained(model)
  import_weights.import_weights(opened, str(tmp_path / 'imported'))
  model_folders.write_tensorflow(tmp_path / 'tf', 'pretraining')
  texts = documents_of(TEXTS)
  wanted = [t.vectors for t in embed.Embedder(model)(texts)]
  for folder in ('imported', 'tf'):
    casing = False if folder == 'tf' else None
    embedder = embed.Embedder(str(tmp_path / folder), do_lower_case=casing)
    found = [t.vectors for t in embedder(texts)]
    if folder == 'imported':
      np.testing.assert_array_equal(found, wanted)
    assert np.shape(found) == np.shape(wanted)
  with pytest.raises(InputError, match='--do_lower_case'):
    embed.Embedder(str(tmp_path / 'tf'))


def test_a_program_gives_no_layers(tmp_path, model):
  output = str(tmp_path / 'compiled')
  export.export(pretrained.load_pretrained(model), 'stablehlo', output)
  with pytest.raises(InputError, match='stablehlo holds a program'):
    embed.Embedder(output)


@pytest.mark.parametrize(
  ('flags', 'what'),
  [
    ({'output': 'out.txt'}, 'name it OUT.npz or OUT.jsonl or OUT.parquet'),
    ({'pooling': 'max'}, "--pooling is 'max'; choose from"),
    ({'layers': '1'}, "--layers is '1'; give layers counted from the last"),
    ({'layers': ''}, '--layers is'),
    ({'layers': '-1,-2,-1'}, 'a layer is repeated'),
    ({'given': 'absent.txt'}, '--input absent.txt: no such file'),
  ],
)
def test_a_wrong_option_does_not_wait_for_the_model(tmp_path, flags, what):
  source = tmp_path / 'in.txt'
  source.write_text('a\n')
  options = {'given': str(source), 'output': str(tmp_path / 'out.npz')} | flags
  with pytest.raises(InputError, match=what):
    embed.embed('no such model', **options)
  assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(
  ('flags', 'what'),
  [
    (('-4',), '--layers has -4; .* has 2 layers: -1 is the last, -2 the first'),
    (('-0',), '--layers has 0'),
    (('-1', 'mean', 2), '--max_seq_length is 2; .* takes 3 to 64'),
    (('-1', 'mean', 65), '--max_seq_length is 65'),
    (('-1', 'entity'), 'in.txt: no entity in 1 texts'),
  ],
)
def test_what_the_model_or_the_text_cannot_give(tmp_path, model, flags, what):
  with pytest.raises(InputError, match=what):
    run(tmp_path, model, 'a\n', *flags)
  assert [path.name for path in tmp_path.iterdir()] == ['in.txt']


def test_command_line(tmp_path, model, capsys, monkeypatch):
  text = io.TextIOWrapper(io.BytesIO(b'ab\nc\n'))
  monkeypatch.setattr('sys.stdin', text)
  output = tmp_path / 'new' / 'out.npz'
  flags = {'model': model, 'input': '-', 'output': output, 'layers': '-1,-2'}
  given = [f'--{name}={value}' for name, value in flags.items()]
  assert command_line.main(['embed', *given]) == 0
  report = json.loads(capsys.readouterr().out.splitlines()[-1])
  assert report == {
    'output': str(output),
    'texts': 2,
    'pieces': 7,
    'vectors': 2,
    'layers': [-1, -2],
    'hidden_size': 24,
  }
  assert np.load(output)['vectors'].shape == (2, 2, 24)


def test_vectors_on_standard_output(tmp_path, model, capsys):
  path = tmp_path / 'in.txt'
  path.write_text('ab\nc\n')
  given = [f'--model={model}', f'--input={path}', '--output=-']
  assert command_line.main(['embed', *given]) == 0
  said = capsys.readouterr()
  rows = [json.loads(line) for line in said.out.splitlines()]
  assert len(rows) == 2
  assert json.loads(said.err.splitlines()[-1])['texts'] == 2
