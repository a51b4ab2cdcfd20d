"""The face of the array functions."""

from pax.functional.activations import gelu as gelu
from pax.functional.activations import glu as glu
from pax.functional.activations import prelu as prelu
from pax.functional.additive_attention import additive_attention as additive_attention
from pax.functional.attention import attention_implementation as attention_implementation
from pax.functional.attention import dot_product_attention as dot_product_attention
from pax.functional.attention_choice import AttentionChoice as AttentionChoice
from pax.functional.convolution import conv as conv
from pax.functional.convolution_transpose import conv_transpose as conv_transpose
from pax.functional.dense import bilinear as bilinear
from pax.functional.dense import linear as linear
from pax.functional.drop_block import drop_block as drop_block
from pax.functional.dropout import alpha_dropout as alpha_dropout
from pax.functional.dropout import drop_path as drop_path
from pax.functional.dropout import dropout as dropout
from pax.functional.dropout import spatial_dropout as spatial_dropout
from pax.functional.embedding import embed as embed
from pax.functional.embedding import embedding_bag as embedding_bag
from pax.functional.gated_linear_attention import gated_linear_attention as gated_linear_attention
from pax.functional.grid_sample import affine_grid as affine_grid
from pax.functional.grid_sample import grid_sample as grid_sample
from pax.functional.linear_recurrence import linear_recurrence as linear_recurrence
from pax.functional.noise import gaussian_noise as gaussian_noise
from pax.functional.normalization import batch_normalize as batch_normalize
from pax.functional.normalization import group_normalize as group_normalize
from pax.functional.normalization import layer_normalize as layer_normalize
from pax.functional.normalization import normalize as normalize
from pax.functional.pooling_adaptive import adaptive_avg_pool as adaptive_avg_pool
from pax.functional.pooling_adaptive import adaptive_max_pool as adaptive_max_pool
from pax.functional.pooling_blur import blur_pool as blur_pool
from pax.functional.pooling_indices import max_pool_with_indices as max_pool_with_indices
from pax.functional.pooling_indices import max_unpool as max_unpool
from pax.functional.pooling_max import max_pool as max_pool
from pax.functional.pooling_max import min_pool as min_pool
from pax.functional.pooling_mean import avg_pool as avg_pool
from pax.functional.pooling_mean import lp_pool as lp_pool
from pax.functional.position_bias import alibi_slopes as alibi_slopes
from pax.functional.position_bias import relative_position_bucket as relative_position_bucket
from pax.functional.recurrent import gru_gates as gru_gates
from pax.functional.recurrent import gru_step as gru_step
from pax.functional.recurrent import lstm_step as lstm_step
from pax.functional.recurrent import vanilla_rnn_step as vanilla_rnn_step
from pax.functional.resize import resize as resize
from pax.functional.response_normalization import (
    global_response_normalize as global_response_normalize,
)
from pax.functional.response_normalization import (
    local_response_normalize as local_response_normalize,
)
from pax.functional.rms_normalization import rms_normalize as rms_normalize
from pax.functional.rotary import rotary_embed as rotary_embed
from pax.functional.rotary_scaling import LinearRotaryScaling as LinearRotaryScaling
from pax.functional.rotary_scaling import Llama3RotaryScaling as Llama3RotaryScaling
from pax.functional.rotary_scaling import NTKRotaryScaling as NTKRotaryScaling
from pax.functional.rotary_scaling import RotaryScaling as RotaryScaling
from pax.functional.rotary_scaling import YarnRotaryScaling as YarnRotaryScaling
from pax.functional.selective_scan import selective_scan as selective_scan
from pax.functional.shuffle import pixel_shuffle as pixel_shuffle
from pax.functional.shuffle import pixel_unshuffle as pixel_unshuffle
from pax.functional.unfold import fold as fold
from pax.functional.unfold import unfold as unfold
from pax.functional.waves import fourier_embed as fourier_embed
from pax.functional.waves import sinusoidal_embed as sinusoidal_embed
from pax.functional.weights import power_iteration as power_iteration
from pax.functional.weights import spectral_normalize as spectral_normalize
from pax.functional.weights import weight_normalize as weight_normalize
from pax.functional.weights import weight_standardize as weight_standardize
