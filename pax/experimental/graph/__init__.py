"""The face of networks written as graphs of nodes."""

from pax.experimental.graph.graph_module import GraphModule as GraphModule
from pax.experimental.graph.graph_module import build_graph_module as build_graph_module
from pax.experimental.graph.node import InputNode as InputNode
from pax.experimental.graph.node import Node as Node
