"""The face of the ready networks: whole models, made of what every program can import."""

from pax.nets.bert import BERT as BERT
from pax.nets.convnext import ConvNeXt as ConvNeXt
from pax.nets.crnn import CRNN as CRNN
from pax.nets.dcgan import DCGANDiscriminator as DCGANDiscriminator
from pax.nets.dcgan import DCGANGenerator as DCGANGenerator
from pax.nets.efficientnet import EfficientNet as EfficientNet
from pax.nets.mamba import Mamba as Mamba
from pax.nets.mlp_mixer import MLPMixer as MLPMixer
from pax.nets.mobilenet import MobileNetV2 as MobileNetV2
from pax.nets.resnet import ResNet as ResNet
from pax.nets.resnet_sizes import ResNet18 as ResNet18
from pax.nets.resnet_sizes import ResNet34 as ResNet34
from pax.nets.resnet_sizes import ResNet50 as ResNet50
from pax.nets.resnet_sizes import ResNet101 as ResNet101
from pax.nets.resnet_sizes import ResNet152 as ResNet152
from pax.nets.resnet_sizes import ResNet200 as ResNet200
from pax.nets.seq2seq import Seq2Seq as Seq2Seq
from pax.nets.seq2seq import Seq2SeqCache as Seq2SeqCache
from pax.nets.t5 import T5 as T5
from pax.nets.transformer import Transformer as Transformer
from pax.nets.unet import UNet as UNet
from pax.nets.vector_quantizer import VectorQuantizer as VectorQuantizer
from pax.nets.vit import ViT as ViT
from pax.nets.vq_vae import VQVAE as VQVAE
from pax.nets.wavenet import WaveNet as WaveNet
