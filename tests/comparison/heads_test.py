"""Every head, to and from transformers: the same numbers, nothing left over."""

import dataclasses
import functools
import itertools
import json
import pathlib
import shutil
from collections import Counter
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
import pytest

from biobert_jax.checkpoints import export, huggingface, name_map, pretrained
from biobert_jax.data.ner import corpus as ner_corpus
from biobert_jax.io.json_files import write_json
from biobert_jax.models.config import BertConfig
from biobert_jax.models.hf_signature import unpacked
from biobert_jax.models.param_tree import to_flat, to_tree
from biobert_jax.text.wordpiece import WordPieceTokenizer
from tests.comparison import baseline
from tests.fixtures import model_folders, random_models

pytestmark = pytest.mark.skipif(not baseline.PYTHON, reason=baseline.REASON)
needs_data = pytest.mark.skipif(
  not baseline.DATA.is_dir(), reason=f'no real data: {baseline.DATA}'
)

Arrays = dict[str, np.ndarray]
HEADS = ('encoder', 'pretraining', 'masked_lm', 'token', 'sequence', 'span')
FORMS = ('safetensors', 'sharded', 'zip', 'legacy')
CONFIG = random_models.CONFIG.replace(
  hidden_size=48,
  num_attention_heads=4,
  intermediate_size=96,
)
POOLER = ['bert.pooler.dense.bias', 'bert.pooler.dense.weight']
STEPS = 3
TOLERANCE = 1e-5
SENTENCES = 250  # Of each of two corpora.
# Longer than the 100 characters that BertTokenizer of transformers takes.
LONG_WORDS = ('ACGT' * 40, f'the sequence {"gattaca" * 28} ends', 'x' * 201)


@dataclasses.dataclass
class Exchange:
  """What both sides hold.

  Attributes:
    folder: as hf_heads.py describes it.
    models: ours, by the name of their export.
    batches: (input_ids, attention_mask, token_type_ids), by the same names
      and 'saved'.
    texts: to cut up, by name.
    theirs: the baselines' outputs.
    found: what else they answered.
  """

  folder: pathlib.Path
  models: dict[str, pretrained.Pretrained]
  batches: dict[str, tuple[np.ndarray, ...]]
  texts: dict[str, list[str]]
  theirs: Arrays
  found: dict[str, Any]

  def outputs(self, name: str) -> Arrays:
    """The baselines' outputs below a name."""
    prefix = f'{name}/'
    return {
      key.removeprefix(prefix): array
      for key, array in self.theirs.items()
      if key.startswith(prefix)
    }


def batch(bert: BertConfig) -> tuple[np.ndarray, ...]:
  """Rows of different length, whose padding holds ids too."""
  length = min(16, bert.max_position_embeddings)
  draw = np.random.default_rng(bert.vocab_size).integers
  ids = draw(0, bert.vocab_size, (4, length))
  lengths = np.asarray([length, length - 1, length // 2, 2])
  mask = (np.arange(length) < lengths[:, None]).astype(int)
  return ids, mask, draw(0, 2, (4, length))


@functools.cache
def program(head: str, bert: BertConfig, pooler: bool) -> Callable[..., Any]:
  return jax.jit(unpacked(head, bert, len(model_folders.LABELS), pooler))


def run(model: pretrained.Pretrained, given: tuple[np.ndarray, ...]) -> Arrays:
  """Our outputs."""
  pooler = 'pooler' in model.contents.groups
  params = to_tree(model.params, scan_layers=False)
  int32 = [array.astype(np.int32) for array in given]
  outputs = program(model.head, model.bert, pooler)(params, *int32)
  return jax.device_get(outputs)


def train(head: str) -> Arrays:
  """Parameters that a few steps towards random outputs have moved."""
  scanned = CONFIG.replace(scan_layers=True)
  run_model = unpacked(head, scanned, len(model_folders.LABELS))
  params = to_tree(random_models.flat_params(head, CONFIG), scan_layers=True)
  arrays = [jax.numpy.asarray(array, int) for array in batch(CONFIG)]
  draw = np.random.default_rng(7).normal
  shapes = jax.eval_shape(run_model, params, *arrays)
  targets = {name: draw(0, 1, leaf.shape) for name, leaf in shapes.items()}
  adam = optax.adam(1e-2)

  @jax.jit
  def step(params: Any, state: Any) -> Any:
    def loss(params: Any) -> jax.Array:
      outputs = run_model(params, *arrays)
      return sum(((outputs[n] - targets[n]) ** 2).mean() for n in targets)

    updates, state = adam.update(jax.grad(loss)(params), state)
    return optax.apply_updates(params, updates), state

  state = adam.init(params)
  for _ in range(STEPS):
    params, state = step(params, state)
  return {path: np.asarray(array) for path, array in to_flat(params).items()}


def model_with_head(
  path: pathlib.Path, head: str, params: Arrays
) -> pretrained.Pretrained:
  """A model as `open_model` gives it, with just these parameters."""
  path.mkdir(parents=True)
  labels = model_folders.labels_of(head)
  huggingface.write(path, params, CONFIG, head, labels)
  WordPieceTokenizer(model_folders.pieces(), do_lower_case=False).save(path)
  contents = name_map.Imported(params, {}, Counter())
  model = pretrained.load_pretrained(path)
  return dataclasses.replace(model, bert=CONFIG, contents=contents)


def with_vocabulary(
  path: pathlib.Path, source: pathlib.Path
) -> pretrained.Pretrained:
  """A small encoder with a real vocabulary."""
  tokenizer = WordPieceTokenizer.from_directory(source)
  bert = random_models.CONFIG.replace(vocab_size=tokenizer.vocab_size)
  path.mkdir(parents=True)
  params = random_models.flat_params('encoder', bert)
  huggingface.write(path, params, bert, 'encoder', ())
  tokenizer.save(path)
  return pretrained.load_pretrained(path)


def real_texts() -> list[str]:
  """Sentences of two corpora, and words longer than most tokenizers take."""
  read = ner_corpus.read_split(
    baseline.DATA / 'ncbi-disease', 'test', Counter()
  )
  texts = [' '.join(s.tokens) for s in read[:SENTENCES]]
  path = baseline.DATA / 'pmc-oa-ccby' / 'abstracts.jsonl'
  with path.open(encoding='utf-8') as lines:
    for line in itertools.islice(lines, 0, None, 3):
      texts += [part['text'] for part in json.loads(line)['abstract']]
      if len(texts) >= 2 * SENTENCES:
        break
  return [*texts[: 2 * SENTENCES], *LONG_WORDS]


def real_models(base: pathlib.Path) -> dict[str, pretrained.Pretrained]:
  """Checkpoints and vocabularies that others made."""
  if not baseline.DATA.is_dir():
    return {}
  cased = baseline.DATA / 'vocab-bert-base-cased'
  return {
    'tiny_tf1': pretrained.load_pretrained(
      baseline.DATA / 'tiny-bert-tf1-ckpt', do_lower_case=True
    ),
    'tiny_torch': pretrained.load_pretrained(
      baseline.DATA / 'tiny-bert-torch' / 'bert-h16-l2'
    ),
    'cased': with_vocabulary(base / 'cased', cased),
    'uncased': with_vocabulary(base / 'uncased', baseline.checkpoint()),
  }


def write_given(
  base: pathlib.Path,
  batches: dict[str, tuple[np.ndarray, ...]],
  texts: dict[str, list[str]],
) -> None:
  """The files that hf_heads.py reads, except the exports."""
  features = ('input_ids', 'attention_mask', 'token_type_ids')
  arrays = {
    f'{key}/{name}': array
    for key, given in batches.items()
    for name, array in zip(features, given, strict=True)
  }
  np.savez(base / 'batches.npz', **arrays)
  (base / 'texts.json').write_text(json.dumps(texts), 'utf-8')
  sizes = huggingface.config_json(CONFIG, 'encoder', ())
  write_json(base / 'config.json', sizes)
  tokenizer = WordPieceTokenizer(model_folders.pieces(), do_lower_case=False)
  tokenizer.save(base / 'vocabulary')


@pytest.fixture(scope='module')
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Exchange:
  """Trains and exports every head here; runs the baselines once, for all."""
  base = tmp_path_factory.mktemp('exchange')
  given = base / 'given'
  models = {h: model_with_head(given / h, h, train(h)) for h in HEADS}
  drawn = random_models.flat_params('yes_no', CONFIG)
  models['yes_no'] = model_with_head(given / 'yes_no', 'yes_no', drawn)
  token = models['token'].params
  pooler = {
    path: models['encoder'].params[path]
    for path in ('bert/pooler/dense/kernel', 'bert/pooler/dense/bias')
  }
  models['token_and_pooler'] = model_with_head(
    given / 'both', 'token', token | pooler
  )
  models |= real_models(given)
  for name, model in models.items():
    export.export(model, 'huggingface', str(base / 'exports' / name))
  texts = {}
  if 'tiny_torch' in models:
    original = models['tiny_torch'].source.folder
    shutil.copytree(original, base / 'exports' / 'tiny_torch_original')
    texts = dict.fromkeys(('cased', 'uncased'), real_texts())
    models['tiny_torch_original'] = models['tiny_torch']
  batches = {name: batch(model.bert) for name, model in models.items()}
  batches['saved'] = batch(CONFIG)
  write_given(base, batches, texts)
  baseline.run(baseline.script('hf_heads.py'), base)
  with np.load(base / 'theirs.npz') as arrays:
    theirs = dict(arrays)
  found = json.loads((base / 'theirs.json').read_text('utf-8'))
  return Exchange(base, models, batches, texts, theirs, found)


def assert_equal(ours: Arrays, theirs: Arrays, mask: np.ndarray) -> None:
  """The same names and, at real pieces, numbers."""
  assert ours.keys() == theirs.keys()
  for name, array in ours.items():
    assert array.shape == theirs[name].shape
    gap = np.abs(array - theirs[name])
    gap = gap[mask > 0] if gap.shape[:2] == mask.shape else gap
    largest = np.abs(theirs[name]).max()
    print(f'{name}: {gap.max():.1e} of {largest:.1f}')
    # Untrained heads say little: small numbers must agree all the same.
    assert gap.max() <= min(TOLERANCE, 1e-3 * largest), name


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('head', HEADS)
def test_what_transformers_saved_runs_here(
  head: str, form: str, exchange: Exchange
) -> None:
  path = exchange.folder / 'saved' / head / form
  model = pretrained.load_pretrained(path)
  assert (model.head, model.bert) == (head, CONFIG)
  assert model.labels == model_folders.labels_of(head)
  assert model.tokenizer.pieces == model_folders.pieces()
  assert not model.tokenizer.do_lower_case
  given = exchange.batches['saved']
  theirs = exchange.outputs(f'saved/{head}')
  assert_equal(run(model, given), theirs, given[1])


def test_every_form_of_file_was_meant(exchange: Exchange) -> None:
  """What lies in the folders is what the names of the forms say."""
  for head in HEADS:
    saved = exchange.folder / 'saved' / head
    assert len(list((saved / 'sharded').glob('model-*.safetensors'))) > 2
    assert (saved / 'safetensors' / 'model.safetensors').is_file()
    starts = {
      form: (saved / form / 'pytorch_model.bin').read_bytes()[:2]
      for form in ('zip', 'legacy')
    }
    assert starts == {'zip': b'PK', 'legacy': b'\x80\x02'}


@pytest.mark.parametrize('head', HEADS)
def test_what_we_trained_runs_there(head: str, exchange: Exchange) -> None:
  given, model = exchange.batches[head], exchange.models[head]
  drawn = random_models.flat_params(head, CONFIG)
  for path, array in model.params.items():
    # Softmax is blind to the key's bias: noise is all that moves it.
    assert path.endswith('key/bias') or not np.allclose(array, drawn[path])
  loading = exchange.found['loading'][head]
  assert loading == dict.fromkeys(loading, [])
  assert len(loading) == 3
  theirs = exchange.outputs(f'exports/{head}')
  assert_equal(run(model, given), theirs, given[1])


def test_a_pooler_kept_in_a_tagger_is_unexpected_and_harmless(
  exchange: Exchange,
) -> None:
  """TF1 checkpoints keep it; BertForTokenClassification has none."""
  loading = exchange.found['loading']['token_and_pooler']
  assert loading['unexpected_keys'] == POOLER
  assert not loading['missing_keys'] + loading['mismatched_keys']
  theirs = exchange.outputs('exports/token_and_pooler')
  given, model = exchange.batches['token'], exchange.models['token_and_pooler']
  assert_equal(run(model, given), theirs, given[1])


def test_transformers_reads_the_encoder_of_a_yes_no_model(
  exchange: Exchange,
) -> None:
  """It has no class with that head, and draws a pooler that we do not have."""
  loading = exchange.found['loading']['yes_no']
  assert loading['unexpected_keys'] == ['yes_no.bias', 'yes_no.weight']
  bare = [name.removeprefix('bert.') for name in POOLER]
  assert loading['missing_keys'] == bare
  given, model = exchange.batches['yes_no'], exchange.models['yes_no']
  ours, theirs = run(model, given), exchange.outputs('exports/yes_no')
  (name,) = ours.keys() & theirs.keys()
  assert name == 'last_hidden_state'
  assert_equal({name: ours[name]}, {name: theirs[name]}, given[1])


@needs_data
@pytest.mark.parametrize(
  ('name', 'head'),
  [
    ('tiny_tf1', 'pretraining'),
    ('tiny_torch', 'encoder'),
    ('tiny_torch_original', 'encoder'),
  ],
)
def test_checkpoints_of_others_run_there(
  name: str, head: str, exchange: Exchange
) -> None:
  model, given = exchange.models[name], exchange.batches[name]
  assert model.head == head
  loading = exchange.found['loading'][name]
  assert loading == dict.fromkeys(loading, [])
  theirs = exchange.outputs(f'exports/{name}')
  assert_equal(run(model, given), theirs, given[1])


@needs_data
@pytest.mark.parametrize('name', ['cased', 'uncased'])
def test_tokenizers_give_the_same_ids(name: str, exchange: Exchange) -> None:
  tokenizer = exchange.models[name].tokenizer
  texts = exchange.texts[name]
  assert len(texts) == 2 * SENTENCES + len(LONG_WORDS)
  different = {}
  for text, theirs in zip(texts, exchange.found['ids'][name], strict=True):
    ours = tokenizer.encode(text)[0]
    if theirs != [tokenizer.cls_id, *ours, tokenizer.sep_id]:
      different[text] = (ours, theirs)
  assert different == {}
  # The long word is cut up; only one of more than 200 characters is unknown.
  known = [tokenizer.unk_id not in tokenizer.encode(t)[0] for t in LONG_WORDS]
  assert known == [True, True, False]


@needs_data
@pytest.mark.parametrize('name', ['cased', 'uncased'])
def test_tokenizers_join_pairs_as_bert_wants(
  name: str, exchange: Exchange
) -> None:
  tokenizer = exchange.models[name].tokenizer
  first, second = (tokenizer.encode(t)[0] for t in exchange.texts[name][:2])
  pair = exchange.found['pairs'][name]
  cls, sep = tokenizer.cls_id, tokenizer.sep_id
  assert pair == {
    'input_ids': [cls, *first, sep, *second, sep],
    'token_type_ids': [0] * (len(first) + 2) + [1] * (len(second) + 1),
    'attention_mask': [1] * (len(first) + len(second) + 3),
  }
