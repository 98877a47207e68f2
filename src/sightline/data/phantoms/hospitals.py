"""Hospitals: how each exposes its films, and what it leaves on them besides the patient.

What a film carries of its hospital is kept in two parts. `Film` (contrast, noise, positioning) is drawn for each
patient and is the same kind for all hospitals that take part in training. `Marks` (lead letters, collimation frame)
betray the hospital and can be left away, which is what makes a confounded image and its clean twin.
"""

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Film:
    """Ranges from which the look of one film is drawn.

    Attributes:
        gamma: exponent of the tone curve, above 1 for darker lungs.
        noise: deviation of the grain as a share of the grey range.
        sharpening: strength of the edge enhancement.
        scale: magnification of the patient.
        shift: largest displacement, a share of the side.
        angle_degrees: largest tilt.
    """

    gamma: tuple[float, float] = (0.9, 1.15)
    noise: tuple[float, float] = (0.006, 0.014)
    sharpening: tuple[float, float] = (0.25, 0.6)
    scale: tuple[float, float] = (0.95, 1.04)
    shift: float = 0.02
    angle_degrees: float = 2.5


@dataclass(frozen=True)
class Marks:
    """What a hospital adds to a film outside the lungs.

    Attributes:
        letters: text of the lead marker, of the letters A D E L P R.
        place: middle of the marker (right, down) as shares of the side.
        height: of the letters, a share of the side.
        plate: what the letters stand on.
        tilt_degrees: turn of the marker.
        frame: where the collimator has cut the field.
        frame_width: how much it cuts, a share of the side.
    """

    letters: str
    place: tuple[float, float]
    height: float = 0.075
    plate: Literal["none", "ring", "box"] = "none"
    tilt_degrees: float = 0.0
    frame: Literal["none", "sides", "ends", "corners"] = "none"
    frame_width: float = 0.04


@dataclass(frozen=True)
class Population:
    """Who comes to a hospital, and with what: shares are of all patients.

    Attributes:
        age: mean and deviation, years.
        female: share of women.
        bedside: share of films taken in bed, from the front (AP).
        consolidation: share with it.
        effusion: share with it.
        nodule: share with it.
        pneumothorax: share with it.
        cardiomegaly: share with it.
    """

    age: tuple[float, float] = (56.0, 17.0)
    female: float = 0.48
    bedside: float = 0.1
    consolidation: float = 0.22
    effusion: float = 0.2
    nodule: float = 0.18
    pneumothorax: float = 0.1
    cardiomegaly: float = 0.18


@dataclass(frozen=True)
class Hospital:
    """A source of films.

    Attributes:
        name: as in the cohort's column `source`.
        film: how it exposes.
        marks: what it leaves on the film; None for nothing.
        population: who comes; used where patients are drawn from it.
    """

    name: str
    film: Film = Film()
    marks: Marks | None = None
    population: Population = Population()

    def without_marks(self) -> "Hospital":
        """The same hospital with its marks left away."""
        return replace(self, marks=None)


# Frame widths are such that equalising the histogram of a marked film brightens the lungs by the same 4 of 255 for all
# three; otherwise the black of the frames would carry the hospital into the lungs.
_CARDIAC = Population(age=(69, 11), female=0.44, bedside=0.15, effusion=0.3, pneumothorax=0.05, cardiomegaly=0.42)
_INTENSIVE = Population(
    age=(63, 15), female=0.4, bedside=1.0, consolidation=0.4, effusion=0.34, nodule=0.06, pneumothorax=0.2
)
_SCREENED = Population(age=(47, 14), female=0.55, bedside=0.03, effusion=0.12, nodule=0.26, cardiomegaly=0.12)
RIVERSIDE = Hospital("riverside", marks=Marks("L", (0.9, 0.1), frame="sides", frame_width=0.022))
HILLCREST = Hospital(
    "hillcrest",
    marks=Marks("R", (0.1, 0.12), height=0.062, plate="ring", frame="ends", frame_width=0.0225),
    population=_CARDIAC,
)
NORTHGATE = Hospital(
    "northgate",
    marks=Marks("AP", (0.12, 0.89), height=0.06, plate="box", tilt_degrees=-8, frame="corners", frame_width=0.031),
    population=_INTENSIVE,
)
_OTHER_FILM = Film(
    gamma=(0.74, 0.88), noise=(0.012, 0.02), sharpening=(0.0, 0.25), scale=(0.92, 1.0), shift=0.03, angle_degrees=4
)
FARFIELD = Hospital("farfield", film=_OTHER_FILM, population=_SCREENED)
