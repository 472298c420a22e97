"""The numbers of the exact curve, from samples and definitions alone, in fractions.

Nothing here uses the package. A cut is (tp, fp, fn, tn); the cuts are one for each distinct
score of a sample whose weight is not 0, and the one that predicts nothing.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

INF = math.inf


def exact_cuts(labels, scores, weights=None):
    """Return the cuts from the lowest threshold, as ints or, with weights, as fractions."""
    if weights is None:
        samples = [(float(s), bool(y), 1) for s, y in zip(scores, labels, strict=True)]
    else:
        samples = [
            (float(s), bool(y), Fraction(float(w)))
            for s, y, w in zip(scores, labels, weights, strict=True)
            if w > 0
        ]
    groups = {}
    for score, label, weight in samples:
        group = groups.setdefault(score, [0, 0])
        group[label] += weight
    negatives = sum(g[0] for g in groups.values())
    positives = sum(g[1] for g in groups.values())
    cuts, tp, fp = [(0, 0, positives, negatives)], 0, 0
    for score in sorted(groups, reverse=True):
        fp += groups[score][0]
        tp += groups[score][1]
        cuts.append((tp, fp, positives - tp, negatives - fp))
    return cuts[::-1]


def average_precision(cuts):
    total = Fraction(0)
    for (tp, fp, fn, _), (tp_above, *_) in pairwise(cuts):
        if tp > tp_above:
            total += Fraction(tp - tp_above) * Fraction(tp, tp + fp) / (tp + fn)
    return total


def auroc(cuts, max_fpr=None):
    """Return the area, of straight lines between cuts; McClish's with `max_fpr`."""
    positives, negatives = Fraction(cuts[0][0]), Fraction(cuts[0][1])
    end = Fraction(1 if max_fpr is None else max_fpr)
    area = Fraction(0)
    for (tp, fp, *_), (tp_above, fp_above, *_) in pairwise(cuts):
        x0, x1 = fp_above / negatives, fp / negatives
        y0, y1 = tp_above / positives, tp / positives
        if x0 >= end or x0 == x1:
            continue
        stop = min(x1, end)
        y_stop = y0 + (y1 - y0) * (stop - x0) / (x1 - x0)
        area += (stop - x0) * (y0 + y_stop) / 2
    if max_fpr is None:
        return area
    least = end * end / 2
    return (1 + (area - least) / (end - least)) / 2


def f_score(cut, beta=1):
    tp, fp, fn, _ = cut
    square = Fraction(beta) ** 2
    below = (1 + square) * tp + square * fn + fp
    return (1 + square) * tp / below if below else None


def iou(cut):
    tp, fp, fn, _ = cut
    return Fraction(tp, 1) / (tp + fp + fn) if tp + fp + fn else None


def accuracy(cut):
    return Fraction(cut[0] + cut[3]) / sum(cut) if sum(cut) else None


def balanced_accuracy(cut):
    tp, fp, fn, tn = map(Fraction, cut)
    return (tp / (tp + fn) + tn / (fp + tn)) / 2


def youden(cut):
    tp, fp, fn, tn = map(Fraction, cut)
    return tp / (tp + fn) - fp / (fp + tn)


def mcc(cut):
    """Return Matthews' coefficient as a float, right to an ulp or two."""
    tp, fp, fn, tn = map(Fraction, cut)
    below = (tp + fn) * (fp + tn) * (tp + fp) * (fn + tn)
    if not below:
        return 0.0
    above = tp * tn - fp * fn
    return math.copysign(math.sqrt(above * above / below), above)


METRICS = {
    "f1": f_score,
    "iou": iou,
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "youden": youden,
    "mcc": mcc,
}


def best(cuts, metric):
    values = [metric(cut) for cut in cuts]
    return max((v for v in values if v is not None), default=None)


def _rate(part, whole):
    """Return a ratio as it is compared: of counts in float64, of weights exactly."""
    return part / whole


def recall(cut):
    return _rate(cut[0], cut[0] + cut[2])


def precision(cut):
    return _rate(cut[0], cut[0] + cut[1]) if cut[0] + cut[1] else None


def fpr(cut):
    return _rate(cut[1], cut[1] + cut[3])


def precision_at_recall(cuts, level):
    return max(precision(c) for c in cuts if recall(c) >= level and c[0] + c[1])


def recall_at_precision(cuts, level):
    return max(recall(c) for c in cuts if not c[0] + c[1] or precision(c) >= level)


def fpr_at_tpr(cuts, level):
    return min(fpr(c) for c in cuts if recall(c) >= level)


def tpr_at_fpr(cuts, level):
    return max(recall(c) for c in cuts if fpr(c) <= level)


def specificity_at_sensitivity(cuts, level):
    return max(_rate(c[3], c[1] + c[3]) for c in cuts if recall(c) >= level)


POINTS = {
    "precision_at_recall": precision_at_recall,
    "recall_at_precision": recall_at_precision,
    "fpr_at_tpr": fpr_at_tpr,
    "tpr_at_fpr": tpr_at_fpr,
    "specificity_at_sensitivity": specificity_at_sensitivity,
}


def equal_error_rate(cuts):
    """Return where straight lines between cuts cross x + y = 1."""
    positives, negatives = Fraction(cuts[0][0]), Fraction(cuts[0][1])
    points = [(fp / negatives, tp / positives) for tp, fp, *_ in cuts]
    for (x1, y1), (x0, y0) in pairwise(points):
        if x1 + y1 >= 1 > x0 + y0:
            share = (1 - x0 - y0) / (x1 + y1 - x0 - y0)
            return x0 + share * (x1 - x0)
    raise AssertionError("the curve crosses the line")


def calibration_error(labels, scores, num_bins, norm="l1", weights=None):
    """Return the error over bins [i/num_bins, (i+1)/num_bins), the last one closed."""
    weights = [1] * len(labels) if weights is None else weights
    bins = {}
    for label, score, weight in zip(labels, scores, weights, strict=True):
        score, weight = Fraction(float(score)), Fraction(float(weight))
        # the edges are float64
        at = max(i for i in range(num_bins) if float(score) >= i / num_bins)
        part = bins.setdefault(at, [Fraction(0)] * 3)
        bins[at] = [part[0] + weight, part[1] + weight * bool(label), part[2] + weight * score]
    bins = [part for part in bins.values() if part[0]]
    gaps = [abs(positives - sums) / total for total, positives, sums in bins]
    if norm == "max":
        return max(gaps)
    whole = sum(part[0] for part in bins)
    return sum(g * part[0] for g, part in zip(gaps, bins, strict=True)) / whole
