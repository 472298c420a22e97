"""Labels, scores and weights on which `fastpr.exact` is compared with scikit-learn."""

import numpy as np

TINY = 5e-324


def _logits(num, rng):
    return rng.normal(size=num) * 10.0 ** rng.integers(-3, 4)


def _skewed(num, rng):
    scores = rng.random(num)
    place = rng.random(num)
    scores[place < 0.95] = 1.0
    scores[place < 0.85] = 0.001
    return scores


def _adjacent(num, rng):
    return (np.float32(0.5).view(np.uint32) + rng.integers(-4, 4, num).astype(np.uint32)).view("f4")


# Each makes `num` float64 (or float32) scores, all finite in float32 too.
SCORES = {
    "uniform": lambda num, rng: rng.random(num),
    "logits": _logits,
    "few values": lambda num, rng: rng.integers(0, 7, num) / 7,
    "one value": lambda num, rng: np.full(num, rng.normal()),
    "two values": lambda num, rng: rng.integers(0, 2, num) * 1.0,
    "skewed": _skewed,
    "near 1": lambda num, rng: 1 - rng.random(num) * 1e-6,
    "adjacent float32": _adjacent,
    "adjacent float64": lambda num, rng: 0.5 + rng.integers(-9, 9, num) * 2.0**-53,
    "denormal": lambda num, rng: rng.integers(-3, 4, num) * 1e-45,
    "least float64": lambda num, rng: rng.integers(-3, 4, num) * TINY,
    "zeros of both signs": lambda num, rng: np.where(rng.random(num) < 0.5, -0.0, 0.0),
    "zeros and others": lambda num, rng: rng.choice([-0.0, 0.0, 1e-45, -1e-45, 1.0], num),
    "huge": lambda num, rng: rng.normal(size=num) * 1e37,
    "ends of float32": lambda num, rng: rng.choice([-1, 1], num) * float(np.finfo("f4").max),
    "all magnitudes": lambda num, rng: rng.choice([-1, 1], num) * 10.0 ** rng.uniform(-44, 38, num),
    "rising": lambda num, rng: np.arange(num) / num,
    "falling": lambda num, rng: -np.arange(num) / num,
    "one far away": lambda num, rng: np.append(rng.random(num - 1) * 1e-3, 1e30),
}

LABELS = {
    "bool": lambda flags: flags,
    "int64": lambda flags: flags.astype(np.int64),
    "uint8": lambda flags: flags.astype(np.uint8),
    "int8 of both signs": lambda flags: np.where(flags, 1, -1).astype(np.int8),
    "float": lambda flags: flags.astype(np.float32),
}

# Exact sums, whatever their order: multiples of 1/64.
WEIGHTS = {
    "none": lambda num, rng: None,
    "float64": lambda num, rng: rng.integers(1, 999, num) / 64,
    "float32": lambda num, rng: (rng.integers(1, 999, num) / 64).astype("f4"),
    "some 0": lambda num, rng: rng.integers(0, 3, num) / 2,
    "int": lambda num, rng: rng.integers(0, 5, num),
    "bool": lambda num, rng: rng.random(num) < 0.7,
}


def sets(num_sets, sizes, seed, positives=(0.0, 0.02, 0.3, 0.8, 1.0)):
    """Yield (labels, scores, weights) of random kinds and sizes; weights are not all 0."""
    rng = np.random.default_rng(seed)
    for _ in range(num_sets):
        num = int(rng.integers(sizes[0], sizes[1] + 1))
        kind = rng.choice(list(SCORES))
        scores = SCORES[kind](num, rng).astype(rng.choice(["f4", "f8"]))
        flags = rng.random(num) < rng.choice(positives)
        weights = WEIGHTS[rng.choice(list(WEIGHTS))](num, rng)
        if weights is not None and not np.any(weights):
            weights = None
        yield LABELS[rng.choice(list(LABELS))](flags), scores, weights
