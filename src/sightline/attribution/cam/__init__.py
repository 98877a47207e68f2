"""Class activation maps: weighted sums of feature maps, returned at the resolution of those."""

from sightline.attribution.cam.cam import CAM
from sightline.attribution.cam.grad_cam import GradCAM
from sightline.attribution.cam.grad_cam_plus_plus import GradCAMPlusPlus
from sightline.attribution.cam.hirescam import HiResCAM
from sightline.attribution.cam.layer_cam import LayerCAM
from sightline.attribution.cam.score_cam import ScoreCAM
from sightline.attribution.cam.upsampling import upsample_to
from sightline.attribution.cam.xgrad_cam import XGradCAM

__all__ = ["CAM", "GradCAM", "GradCAMPlusPlus", "HiResCAM", "LayerCAM", "ScoreCAM", "XGradCAM", "upsample_to"]
