"""Classifiers: one architecture a file, every one an ordinary `torch.nn.Module` for images or volumes."""

from sightline.models.attention_gate import AttentionGate
from sightline.models.axialnet import AxialNet, MaxAxialNet, axialnet
from sightline.models.body_cam import BodyCAM, body_cam
from sightline.models.body_conv import BodyConv, body_conv
from sightline.models.build import ModelSettings, build_model, model_names
from sightline.models.classifier_folder import Classifier, open_classifier, save_classifier
from sightline.models.conv3d_net import Conv3DNet, conv3d_net
from sightline.models.ctnet import CTNet, ctnet
from sightline.models.densenet import DenseNet, densenet121, densenet169, densenet201
from sightline.models.dual_encoder import DualEncoder, dual_encoder
from sightline.models.efficientnet import EfficientNet, efficientnet_b0
from sightline.models.gaze_gnn import PyramidViG, gaze_gnn, pvig_ti
from sightline.models.gaze_unet import EGDClassifier, EGDUNet, egd_classifier, egd_unet
from sightline.models.ham import HAM, HAMAnswer, ham_resnet50, refine_maps
from sightline.models.inception_resnet_v2 import InceptionResNetV2, inception_resnet_v2
from sightline.models.layers import ModelOptions
from sightline.models.mt_unet import MTUNet, mt_unet, res_se_unet
from sightline.models.multitask_unet import MultitaskUNet, multitask_unet
from sightline.models.resnet import BasicBlock, Bottleneck, ResNet, resnet18, resnet34, resnet50, resnet101
from sightline.models.segment_classify import SegmentClassify, segment_classify
from sightline.models.slice_features import SliceFeatures
from sightline.models.slice_trunk import SliceTrunk
from sightline.models.sononet import AttentionGatedSononet, SononetAnswer, ag_sononet
from sightline.models.temporal_gaze import TemporalGaze, temporal_gaze
from sightline.models.vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn
from sightline.models.vit import VisionTransformer, vit_base, vit_large, vit_small, vit_tiny
from sightline.models.weights import LoadedWeights, load_weights, save_weights

__all__ = [
    "HAM",
    "VGG",
    "AttentionGate",
    "AttentionGatedSononet",
    "AxialNet",
    "BasicBlock",
    "BodyCAM",
    "BodyConv",
    "Bottleneck",
    "CTNet",
    "Classifier",
    "Conv3DNet",
    "DenseNet",
    "DualEncoder",
    "EGDClassifier",
    "EGDUNet",
    "EfficientNet",
    "HAMAnswer",
    "InceptionResNetV2",
    "LoadedWeights",
    "MTUNet",
    "MaxAxialNet",
    "ModelOptions",
    "ModelSettings",
    "MultitaskUNet",
    "PyramidViG",
    "ResNet",
    "SegmentClassify",
    "SliceFeatures",
    "SliceTrunk",
    "SononetAnswer",
    "TemporalGaze",
    "VisionTransformer",
    "ag_sononet",
    "axialnet",
    "body_cam",
    "body_conv",
    "build_model",
    "conv3d_net",
    "ctnet",
    "densenet121",
    "densenet169",
    "densenet201",
    "dual_encoder",
    "efficientnet_b0",
    "egd_classifier",
    "egd_unet",
    "gaze_gnn",
    "ham_resnet50",
    "inception_resnet_v2",
    "load_weights",
    "model_names",
    "mt_unet",
    "multitask_unet",
    "open_classifier",
    "pvig_ti",
    "refine_maps",
    "res_se_unet",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "save_classifier",
    "save_weights",
    "segment_classify",
    "temporal_gaze",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "vit_base",
    "vit_large",
    "vit_small",
    "vit_tiny",
]
