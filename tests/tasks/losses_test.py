"""Sums and their weights against NumPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np

from biobert_jax.tasks import losses

DRAW = np.random.default_rng(0)
LOGITS = DRAW.normal(0, 3, (4, 6, 5)).astype(np.float32)
LABELS = DRAW.integers(-1, 5, (4, 6)).astype(np.int32)
LABELS[0, :3] = LOGITS[0, :3].argmax(-1)


def test_cross_entropy_of_labelled_positions():
  exact = LOGITS.astype(np.float64)
  log_probs = exact - np.log(np.exp(exact).sum(-1, keepdims=True))
  expected = -sum(
    log_probs[i, j, LABELS[i, j]]
    for i, j in np.ndindex(LABELS.shape)
    if LABELS[i, j] >= 0
  )
  assert (LABELS == -1).any()
  actual = losses.cross_entropy_sum(jnp.asarray(LOGITS), jnp.asarray(LABELS))
  np.testing.assert_allclose(actual, expected, rtol=1e-6)


def test_correct_and_weight():
  labelled = LABELS >= 0
  hits = (LOGITS.argmax(-1) == LABELS) & labelled
  assert 0 < hits.sum() < labelled.sum() < LABELS.size
  logits, labels = jnp.asarray(LOGITS), jnp.asarray(LABELS)
  assert float(losses.correct_sum(logits, labels)) == hits.sum()
  assert float(losses.label_count(labels)) == labelled.sum()


def test_classes_weigh_in_the_loss_and_in_its_divisor():
  weights = (1.0, 0.5, 3.0, 2.0, 0.25)
  parts = losses.weighted_classification(lambda: weights)
  batch = {'labels': jnp.asarray(LABELS)}
  sums = parts['sums'](jnp.asarray(LOGITS), batch)
  divisors = parts['normalizers'](batch)
  exact = LOGITS.astype(np.float64)
  log_probs = exact - np.log(np.exp(exact).sum(-1, keepdims=True))
  places = [(i, j) for i, j in np.ndindex(LABELS.shape) if LABELS[i, j] >= 0]
  each = [weights[LABELS[place]] for place in places]
  terms = [log_probs[(*place, LABELS[place])] for place in places]
  loss = -np.dot(each, terms)
  np.testing.assert_allclose(sums['loss'], loss, rtol=1e-6)
  np.testing.assert_allclose(divisors['loss'], sum(each), rtol=1e-6)
  plain = losses.classification_sums(jnp.asarray(LOGITS), batch)
  assert sums['accuracy'] == plain['accuracy']
  assert divisors['accuracy'] == len(places)
  # Equal weights are the loss that it is without.
  same = losses.weighted_classification(lambda: [2.0] * 5)
  mean = (
    same['sums'](jnp.asarray(LOGITS), batch)['loss']
    / same['normalizers'](batch)['loss']
  )
  np.testing.assert_allclose(mean, plain['loss'] / len(places), rtol=1e-6)


def test_without_labels_all_is_zero_and_so_are_gradients():
  none = jnp.full((4, 6), -1)
  value, gradient = jax.value_and_grad(losses.cross_entropy_sum)(
    jnp.asarray(LOGITS), none
  )
  assert float(value) == 0
  assert not gradient.any()
  assert float(losses.label_count(none)) == 0
  assert float(losses.correct_sum(jnp.asarray(LOGITS), none)) == 0


def test_extreme_scores_stay_finite():
  logits = jnp.asarray([[1e4, -1e4], [-1e4, 1e4]])
  value = losses.cross_entropy_sum(logits, jnp.asarray([0, 0]))
  assert float(value) == 2e4


# Rows of packed sequences: two and padding, one and padding, padding alone.
SEQUENCES = np.asarray([[1, 1, 2, 2, 2, 0], [1, 1, 1, 1, 0, 0], [0] * 6])
POINTER = DRAW.normal(0, 3, SEQUENCES.shape).astype(np.float32)


def pointed(*places):
  marked = np.zeros(SEQUENCES.shape, bool)
  for place in places:
    marked[place] = True
  return marked


def pointer(function, marked):
  return function(
    jnp.asarray(POINTER), jnp.asarray(SEQUENCES), jnp.asarray(marked), 3
  )


def test_a_pointer_chooses_among_its_own_sequence():
  exact = POINTER.astype(np.float64)
  expected = 0.0
  for row, place in ((0, 1), (0, 2), (1, 3)):
    own = exact[row][SEQUENCES[row] == SEQUENCES[row, place]]
    expected += np.log(np.exp(own).sum()) - exact[row, place]
  marked = pointed((0, 1), (0, 2), (1, 3))
  actual = pointer(losses.pointer_cross_entropy_sum, marked)
  np.testing.assert_allclose(actual, expected, rtol=1e-6)


def test_sequences_without_a_pointer_have_no_loss_and_no_gradient():
  def loss(logits):
    return losses.pointer_cross_entropy_sum(
      logits, jnp.asarray(SEQUENCES), jnp.asarray(pointed((0, 4))), 3
    )

  gradient = np.array(jax.grad(loss)(jnp.asarray(POINTER)))
  assert np.isfinite(gradient).all()
  assert (gradient[0, 2:5] != 0).all()
  gradient[0, 2:5] = 0
  assert not gradient.any()
  nothing = pointer(losses.pointer_cross_entropy_sum, pointed())
  assert float(nothing) == 0


def test_pointers_that_hit():
  highest = 2 + int(POINTER[0, 2:5].argmax())
  other = 2 + int(POINTER[0, 2:5].argmin())
  row = int(POINTER[1, :4].argmax())
  for places, hits in (
    (((0, highest), (1, row)), 2),
    (((0, other), (1, row)), 1),
    ((), 0),
  ):
    found = pointer(losses.pointer_correct_sum, pointed(*places))
    assert float(found) == hits
