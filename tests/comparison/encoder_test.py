"""Our BERT beside transformers': the same pieces, vectors, gradients, steps."""

import dataclasses
import json
import pathlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from biobert_jax.checkpoints import name_map
from biobert_jax.checkpoints import pretrained as checkpoints_pretrained
from biobert_jax.data import windows
from biobert_jax.data.ner import corpus as ner_corpus
from biobert_jax.data.packing import Batch, PackedRows
from biobert_jax.models.config import BertConfig
from biobert_jax.models.encoder import BertEncoder, Inputs
from biobert_jax.models.param_tree import to_flat, to_tree
from biobert_jax.parallel import sharding
from biobert_jax.tasks.ner import make_task
from biobert_jax.text.wordpiece import WordPieceTokenizer
from biobert_jax.training import optimizer, train_step
from tests.comparison import baseline

CORPUS = baseline.DATA / 'ncbi-disease'

pytestmark = [
  pytest.mark.skipif(not baseline.PYTHON, reason=baseline.REASON),
  pytest.mark.skipif(not CORPUS.is_dir(), reason=f'no real data: {CORPUS}'),
]

LABELS = ('O', 'B', 'I')
MAX_SEQ_LENGTH = 128
# Written for these tests: accents both ways, Greek, dashes, CJK, Hangul. No
# capital sigma that ends a word: Google lowers it to a final sigma, as we do,
# transformers' fast tokenizer does not.
UNICODE = (
  'Naïve β-thalassaemia patients received ≥ 5 µg/mL (±0.3 × 10⁹/L) .',
  'Me\u0301nie\u0300re’s disease – Sjögren’s syndrome — Behçet’s',
  '遗传性 疾病 と 한국어 ataxia\u200dtelangiectasia',
  'İstanbul σίσυφος Straße ﬁbrosis',
)
STEPS, SENTENCES_OF_STEP, ROWS_OF_STEP = 4, 8, 3
RECIPE = {
  'learning_rate': 1e-4,
  'num_steps': STEPS,
  'warmup_steps': 1,
  'b1': 0.9,
  'b2': 0.999,
  'eps': 1e-6,
  'weight_decay': 30.0,  # So much that it shows within a few steps.
  'clip_norm': 1.0,
}


@dataclasses.dataclass(frozen=True)
class Case:
  """What both sides were given, and what the baselines made of it."""

  config: BertConfig
  tokenizer: WordPieceTokenizer
  params: dict[str, Any]
  sentences: list[list[str]]
  batches: list[list[ner_corpus.Sentence]]
  theirs: dict[str, np.ndarray]


def pretrained(
  folder: pathlib.Path, config: BertConfig, head: dict[str, np.ndarray]
) -> dict[str, Any]:
  """A token classifier's parameters, unrolled, with the given head."""
  model = checkpoints_pretrained.load_pretrained(folder)
  assert (model.head, model.bert.hidden_size) == ('encoder', config.hidden_size)
  assert set(model.contents.skipped) <= {'a buffer (position_ids)'}
  loaded = {
    path: array
    for path, array in model.params.items()
    if not path.startswith('bert/pooler/')  # A tagger has none.
  }
  kernel = {'kernel': head['weight'].T, 'bias': head['bias']}
  return to_tree(loaded, scan_layers=False) | {'classifier': kernel}


@pytest.fixture(scope='module')
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
  """Runs the baselines once for all tests."""
  folder = tmp_path_factory.mktemp('baseline')
  model = baseline.checkpoint()
  config = BertConfig.from_json(model / 'config.json').replace(
    hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
  )
  tokenizer = WordPieceTokenizer.from_directory(model)
  read = ner_corpus.read_split(CORPUS, 'test', Counter())
  words = [list(s.tokens) for s in read[::14]][:64]
  assert len(words) == 64
  # A long one, of three sentences, and Unicode.
  words.append([token for s in read[:3] for token in s.tokens])
  words += [text.split() for text in UNICODE]
  firsts = range(100, 100 + STEPS * SENTENCES_OF_STEP, SENTENCES_OF_STEP)
  batches = [read[i : i + SENTENCES_OF_STEP] for i in firsts]
  generator = np.random.default_rng(0)
  head = {
    'weight': generator.normal(0, 0.02, (len(LABELS), config.hidden_size)),
    'bias': np.zeros(len(LABELS)),
  }
  head = {name: array.astype(np.float32) for name, array in head.items()}
  np.savez(folder / 'head.npz', **head)
  given = {
    'sentences': words,
    'texts': [' '.join(w) for w in words] + list(UNICODE),
    'recipe': RECIPE,
    'batches': [
      {
        'sentences': [s.tokens for s in batch],
        'labels': [[LABELS.index(tag) for tag in s.tags] for s in batch],
      }
      for batch in batches
    ],
  }
  (folder / 'given.json').write_text(json.dumps(given), 'utf-8')
  files = [folder / n for n in ('given.json', 'head.npz', 'theirs.npz')]
  baseline.run(baseline.script('hf_reference.py'), model, *files)
  with np.load(folder / 'theirs.npz') as arrays:
    theirs = dict(arrays)
  params = pretrained(model, config, head)
  return Case(config, tokenizer, params, words, batches, theirs)


def packed(
  case: Case,
  sentences: Sequence[Sequence[str]],
  labels: np.ndarray,
  pack: bool = True,
) -> PackedRows:
  """Rows of sentences that all fit into a row."""
  counts: Counter[str] = Counter()
  encoded = windows.encode(
    sentences,
    case.tokenizer,
    max_seq_length=MAX_SEQ_LENGTH,
    overlap=32,
    counts=counts,
  )
  # The baselines neither cut sentences nor give pieces to words without any.
  assert not +counts
  return PackedRows(encoded, labels, max_seq_length=MAX_SEQ_LENGTH, pack=pack)


def sentence_rows(case: Case, pack: bool) -> PackedRows:
  words = sum(map(len, case.sentences))
  return packed(case, case.sentences, np.zeros(words, np.int32), pack)


def in_order(batch: Batch, array: np.ndarray) -> np.ndarray:
  """Values of real pieces, by sentence rather than by place in the rows."""
  row, column = np.nonzero(batch['sequence_ids'])
  words = batch['words'][row, column]
  # Each sentence owns a run of word numbers, and [CLS] opens it.
  begins = np.flatnonzero(batch['position_ids'][row, column] == 0)
  first_words = [words[b:][words[b:] >= 0][0] for b in begins]
  runs = np.split(np.arange(len(row)), begins[1:])
  order = np.concatenate([runs[i] for i in np.argsort(first_words)])
  return array[row[order], column[order]]


def test_word_pieces_are_equal(case: Case) -> None:
  ours = sentence_rows(case, pack=False).windows
  np.testing.assert_array_equal(ours.input_ids, case.theirs['input_ids'])
  assert ours.lengths[64] > 100  # The long one is long.
  texts = [' '.join(words) for words in case.sentences] + list(UNICODE)
  ids = np.concatenate([case.tokenizer.encode(text)[0] for text in texts])
  np.testing.assert_array_equal(ids, case.theirs['text_ids'])


# Every two of the settings meet.
@pytest.mark.parametrize(
  ('pack', 'scan_layers', 'attention'),
  [
    (True, False, 'einsum'),
    (False, True, 'einsum'),
    (False, False, 'dot_product_attention'),
    (True, True, 'dot_product_attention'),
  ],
)
def test_vectors_are_equal(
  case: Case, pack: bool, scan_layers: bool, attention: str
) -> None:
  config = case.config.replace(attention=attention, scan_layers=scan_layers)
  params = to_tree(to_flat(case.params['bert']), scan_layers)
  rows = sentence_rows(case, pack)
  assert (rows.num_rows < 30) if pack else (rows.num_rows == 69)
  (batch,) = rows.eval_batches(rows.num_rows)
  hidden = jax.jit(BertEncoder(config).apply)(
    {'params': params}, Inputs.from_batch(jax.tree.map(jnp.asarray, batch))
  )
  np.testing.assert_array_equal(
    in_order(batch, batch['input_ids']), case.theirs['input_ids']
  )
  ours, theirs = in_order(batch, np.asarray(hidden.last)), case.theirs['hidden']
  difference = np.max(np.abs(ours - theirs))
  print(f'largest difference {difference:.2e} of {np.max(np.abs(theirs)):.2f}')
  assert difference <= 1e-5


@pytest.fixture(scope='module')
def ours(case: Case) -> tuple[list[dict[str, float]], dict[str, Any]]:
  """Metrics of every step of ours, and the first step's gradients."""
  task = make_task(case.config, LABELS)
  recipe = dict(RECIPE)
  rate = optimizer.schedule(
    *(recipe.pop(n) for n in ('learning_rate', 'num_steps', 'warmup_steps'))
  )
  update = optax.chain(
    optax.trace(0.0),  # Keeps the gradients in its state.
    optimizer.make('adamw', rate, bias_correction=True, **recipe),
  )
  mesh = sharding.make_mesh('dp', 1, jax.devices()[:1])
  specs = sharding.make_layout(case.params, 'dp', mesh)
  step = jax.jit(
    train_step.make_train_step(
      task, update, mesh, specs, train_step.StepOptions()
    )
  )
  params = jax.tree.map(jax.numpy.asarray, case.params)
  zeros = jax.numpy.zeros
  now = train_step.TrainState(
    zeros([], int), params, update.init(params), zeros([2], int)
  )
  metrics = []
  gradients: dict[str, Any] = {}
  for sentences in case.batches:
    labels = [LABELS.index(tag) for s in sentences for tag in s.tags]
    rows = packed(
      case, [s.tokens for s in sentences], np.asarray(labels, np.int32)
    )
    assert rows.num_rows < len(sentences) / 2  # Several a row.
    (batch,) = rows.eval_batches(ROWS_OF_STEP)
    now, figures = step(now, batch, jax.random.key(0))
    metrics.append({name: float(x) for name, x in figures.items()})
    gradients = gradients or now.opt_state[0].trace
  return metrics, gradients


def test_gradients_are_equal(case: Case, ours: Any) -> None:
  leaves = jax.tree_util.tree_leaves_with_path(ours[1])
  rows = name_map.table(case.config.num_hidden_layers)
  table = {row.ours: row.huggingface for row in rows}
  norm = case.theirs['grad_norm'][0]
  seen, worst = set(), 0.0
  for key_path, leaf in leaves:
    path = sharding.param_path(key_path)
    theirs = case.theirs[f'grad/{table[path]}']
    seen.add(f'grad/{table[path]}')
    mine = np.asarray(leaf).T if path.endswith('kernel') else np.asarray(leaf)
    difference = np.linalg.norm(mine - theirs)
    if path.endswith('key/bias'):
      # Softmax is blind to it: its gradient is 0, and rounding makes noise.
      assert max(np.linalg.norm(mine), np.linalg.norm(theirs)) < 1e-6 * norm
      continue
    worst = max(worst, difference / np.linalg.norm(theirs))
    assert difference <= 1e-4 * np.linalg.norm(theirs), path
  assert seen == {name for name in case.theirs if name.startswith('grad/')}
  print(f'largest relative difference of a gradient {worst:.2e}')


def test_steps_are_equal(case: Case, ours: Any) -> None:
  for name in ('loss', 'grad_norm'):
    mine = np.asarray([figures[name] for figures in ours[0]])
    theirs = case.theirs[name]
    print(name, mine, f'{np.max(np.abs(mine / theirs - 1)):.2e}')
    np.testing.assert_allclose(mine, theirs, rtol=1e-4)
  losses = case.theirs['loss']
  # The rate of step 0 is 0; from step 2 on the parameters have moved.
  assert losses[-1] < 0.9 * losses[0]
