"""The face of the losses: what optax has not, or not in one call."""

from pax.losses.contrastive import info_nce as info_nce
from pax.losses.contrastive import nt_xent as nt_xent
from pax.losses.cross_entropy import cross_entropy as cross_entropy
from pax.losses.ctc import ctc_loss as ctc_loss
from pax.losses.dice import dice_loss as dice_loss
from pax.losses.focal import focal_loss as focal_loss
from pax.losses.triplet import batch_hard_triplet_loss as batch_hard_triplet_loss
