"""Classifiers: one architecture a file, every one an ordinary `torch.nn.Module` for images or volumes."""

from sightline.models.build import ModelSettings, build_model, model_names
from sightline.models.densenet import DenseNet, densenet121, densenet169, densenet201
from sightline.models.layers import ModelOptions
from sightline.models.resnet import BasicBlock, Bottleneck, ResNet, resnet18, resnet34, resnet50, resnet101
from sightline.models.vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn
from sightline.models.weights import LoadedWeights, load_weights, save_weights

__all__ = [
    "VGG",
    "BasicBlock",
    "Bottleneck",
    "DenseNet",
    "LoadedWeights",
    "ModelOptions",
    "ModelSettings",
    "ResNet",
    "build_model",
    "densenet121",
    "densenet169",
    "densenet201",
    "load_weights",
    "model_names",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "save_weights",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]
