"""Keys that every experiment has: name, default, unit, source."""

import os

import ml_collections
from ml_collections.config_dict import placeholder

from biobert_jax.models.config import BertConfig

SIZES = {
  'tiny': BertConfig.tiny(),
  'base': BertConfig.base(),
  'large': BertConfig.large(),
}
# What a size sets; the vocabulary sets the rest.
_SET_BY_SIZE = (
  'hidden_size',
  'num_hidden_layers',
  'num_attention_heads',
  'intermediate_size',
  'max_position_embeddings',
  'type_vocab_size',
)


def data_folder(name: str) -> str:
  """Where a corpus is looked for: `$BIOBERT_DATA/name`."""
  root = os.environ.get('BIOBERT_DATA', os.path.join('..', 'shared', 'data'))
  return os.path.join(root, name)


def get_config(size: str) -> ml_collections.ConfigDict:
  """Defaults of all tasks.

  Args:
    size: 'tiny', 'base' or 'large': the architecture when there is no
      `init_from`, which otherwise brings its own.

  Returns:
    The config, still open for more keys.

  Raises:
    ValueError: an unknown size.
  """
  if size not in SIZES:
    raise ValueError(f'variant {size!r}; choose from {sorted(SIZES)}')
  config = ml_collections.ConfigDict()
  config.seed = 0  # Of initialisation, dropout and the order of the data.
  # A Hugging Face folder: weights, architecture, vocabulary, casing.
  config.init_from = placeholder(str)
  config.batch_size = 32  # Rows of a global batch.
  config.accumulate = 1  # Microbatches a step: less memory, same result.

  config.model = ml_collections.ConfigDict(
    {name: getattr(SIZES[size], name) for name in _SET_BY_SIZE}
  )
  config.model.hidden_act = 'gelu'  # erf, as BioBERT; or 'gelu_tanh'.
  # Fractions 0-1; unset: the checkpoint's own, or 0.1.
  config.model.hidden_dropout_prob = placeholder(float)
  config.model.attention_probs_dropout_prob = placeholder(float)

  config.compute = ml_collections.ConfigDict()
  config.compute.dtype = 'float32'  # Activations; 'bfloat16' on TPU.
  config.compute.param_dtype = 'float32'  # What training needs.
  # Or 'dot_product_attention', or 'splash_attention', for long rows on TPUs;
  # both need attention_probs_dropout_prob = 0.
  config.compute.attention = 'einsum'
  config.compute.scan_layers = False  # Compiles faster, runs a little slower.
  config.compute.remat = 'none'  # 'names', 'dots', 'full': less memory.
  # 'threefry2x32': the same bits on every slice; 'rbg': the TPU's own, fast.
  config.compute.rng = 'threefry2x32'
  # In which gradients are summed over devices; 'bfloat16' halves what they
  # send, on TPU and GPU.
  config.compute.reduce_dtype = 'float32'
  # Of attention scores; 'bfloat16' halves what attention reads and writes.
  # The softmax over them is computed in float32 either way.
  config.compute.scores_dtype = 'float32'

  config.vocab = ml_collections.ConfigDict()
  # Only without init_from: a vocab.txt; unset: one is built from the corpus.
  config.vocab.path = placeholder(str)
  config.vocab.do_lower_case = placeholder(bool)  # Unset: the checkpoint's.
  config.vocab.size = 2000  # Pieces of a vocabulary that is built.

  config.optim = ml_collections.ConfigDict()
  config.optim.name = 'adamw'  # BERT's; 'lamb' for batches of thousands.
  config.optim.learning_rate = 5e-5  # The peak.
  config.optim.warmup_fraction = 0.1  # Of all steps, linear from 0.
  # True: the rate falls by warmup_fraction where warmup ends, as in
  # google-research/bert optimization.py:32-54.
  config.optim.reference_jump = False
  # False as in the reference, whose authors call it an oversight.
  config.optim.bias_correction = True
  config.optim.b1 = 0.9
  config.optim.b2 = 0.999
  config.optim.eps = 1e-6
  config.optim.weight_decay = 0.01  # Not of biases and layer norms.
  config.optim.clip_norm = 1.0  # Of the global gradient.
  # A step whose gradient has a larger norm before clipping changes nothing,
  # like one that is not finite; unset: no bound.
  config.optim.skip_norm = placeholder(float)

  config.mesh = ml_collections.ConfigDict()
  # Or 'zero1', 'fsdp', 'tp': see parallel/sharding.py.
  config.mesh.strategy = 'dp'
  config.mesh.model = 1  # Devices that share a row; more than 1 for 'tp'.

  config.train = ml_collections.ConfigDict()
  config.train.epochs = 20.0
  config.train.steps = placeholder(int)  # Where set, in place of epochs.
  config.train.evaluations = 20  # How often devel is scored, evenly.
  config.train.keep = 'best'  # By its score on devel; or 'last'.
  config.train.eval_batch_size = 32  # Rows.
  config.train.log_every_steps = 10
  config.train.checkpoint_every_steps = 500
  config.train.keep_checkpoints = 2  # Latest ones, besides the best.
  # From this step on, five are traced for xprof; none where a resumed run is
  # past it.
  config.train.profile_step = placeholder(int)
  # Steps in a row that may be skipped before the run ends as diverged.
  config.train.max_skipped_steps = 10
  # A step or batch that takes longer ends the job, to be relaunched, with the
  # stack of every thread in stacks_HOST.txt of the work folder; 0: never.
  config.train.watchdog_seconds = 600.0
  return config
