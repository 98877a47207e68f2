"""Public data sets, one a file: from the folder of a download to a cohort."""

from sightline.data.adapters.adapter import Adapted, Adapter, adapters, find_adapter
from sightline.data.adapters.bimcv_covid19 import BimcvCovid19
from sightline.data.adapters.brixia import Brixia
from sightline.data.adapters.celeba import CelebA
from sightline.data.adapters.chestxray14 import ChestXray14
from sightline.data.adapters.chexpert import CheXpert
from sightline.data.adapters.class_folders import ClassFolders
from sightline.data.adapters.csv_table import CsvTable
from sightline.data.adapters.dicom_tree import DicomTree
from sightline.data.adapters.egd_cxr import EgdCxr
from sightline.data.adapters.mimic_cxr_jpg import MimicCxrJpg
from sightline.data.adapters.montgomery import Montgomery
from sightline.data.adapters.pascal_voc import PascalVoc
from sightline.data.adapters.rad_chest_ct import RadChestCT
from sightline.data.adapters.reflacx import Reflacx
from sightline.data.adapters.selection import Count, LeftOut, Selection
from sightline.data.adapters.shenzhen import Shenzhen
from sightline.data.adapters.siim_pneumothorax import SiimPneumothorax
from sightline.data.adapters.tb_portals import TbPortals

__all__ = [
    "Adapted",
    "Adapter",
    "BimcvCovid19",
    "Brixia",
    "CelebA",
    "CheXpert",
    "ChestXray14",
    "ClassFolders",
    "Count",
    "CsvTable",
    "DicomTree",
    "EgdCxr",
    "LeftOut",
    "MimicCxrJpg",
    "Montgomery",
    "PascalVoc",
    "RadChestCT",
    "Reflacx",
    "Selection",
    "Shenzhen",
    "SiimPneumothorax",
    "TbPortals",
    "adapters",
    "find_adapter",
]
