"""The face of the metrics: modules that add up what batches show, exactly."""

from pax.metrics.accuracy import Accuracy as Accuracy
from pax.metrics.accuracy import TopKAccuracy as TopKAccuracy
from pax.metrics.auc import AUC as AUC
from pax.metrics.classes import F1Score as F1Score
from pax.metrics.classes import Precision as Precision
from pax.metrics.classes import Recall as Recall
from pax.metrics.confusion import ConfusionMatrix as ConfusionMatrix
from pax.metrics.mean import Mean as Mean
from pax.metrics.mean import MeanAbsoluteError as MeanAbsoluteError
from pax.metrics.mean import MeanSquaredError as MeanSquaredError
from pax.metrics.mean import Perplexity as Perplexity
from pax.metrics.metric import Metric as Metric
from pax.metrics.r2 import R2Score as R2Score
