"""The face of the layers."""

from pax.nn.attention import MultiHeadAttention as MultiHeadAttention
from pax.nn.batch_norm import BatchNorm1D as BatchNorm1D
from pax.nn.batch_norm import BatchNorm2D as BatchNorm2D
from pax.nn.convolution import Conv1D as Conv1D
from pax.nn.convolution import Conv2D as Conv2D
from pax.nn.convolution_transpose import Conv1DTranspose as Conv1DTranspose
from pax.nn.convolution_transpose import Conv2DTranspose as Conv2DTranspose
from pax.nn.dropout import Dropout as Dropout
from pax.nn.ema import EMA as EMA
from pax.nn.embed import Embed as Embed
from pax.nn.group_norm import GroupNorm as GroupNorm
from pax.nn.gru import GRU as GRU
from pax.nn.gru import GRUState as GRUState
from pax.nn.identity import Identity as Identity
from pax.nn.lambda_module import Lambda as Lambda
from pax.nn.layer_norm import LayerNorm as LayerNorm
from pax.nn.linear import Linear as Linear
from pax.nn.lstm import LSTM as LSTM
from pax.nn.lstm import LSTMState as LSTMState
from pax.nn.rng_seq import RngSeq as RngSeq
from pax.nn.rnn import RNN as RNN
from pax.nn.sequential import Sequential as Sequential
from pax.nn.stacked import Stack as Stack
from pax.nn.stacked import stack as stack
from pax.nn.vanilla_rnn import VanillaRNN as VanillaRNN
from pax.nn.vanilla_rnn import VanillaRNNState as VanillaRNNState
