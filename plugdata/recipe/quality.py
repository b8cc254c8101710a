"""The blocks of a recipe that say how the quality of translations is estimated, and which estimates take a row out."""

from typing import Annotated

from pydantic import Field

from plugdata.recipe.base import Settings
from plugdata.recipe.endpoints import Model

Sample = Annotated[float, Field(gt=0, le=1)]
Mark = Annotated[int, Field(strict=True, ge=1, le=5)]


class BackTranslation(Settings):
    """Rows translated back into the pivot, and compared with it (chrF)."""

    sample: Sample = Field(1.0, description="share of the rows; the same ids in every language")
    min_chrf: float | None = Field(
        None, ge=0, le=100, description="chrF below which either field drops the row; default: measured only"
    )
    model: Model | None = Field(None, description="what translates back; default: `models`")


class Judge(Settings):
    """Rows judged by a model: accuracy and fluency from 1 to 5, and kinds of error."""

    sample: Sample = Field(0.1, description="share of the rows; the same ids in every language")
    min_accuracy: Mark | None = Field(None, description="mark below which a row is dropped; default: measured only")
    min_fluency: Mark | None = Field(None, description="mark below which a row is dropped; default: measured only")
    model: Model | None = Field(None, description="what judges, best not what translated; default: `models`")
    structured: bool = Field(False, description="send the verdict's JSON schema, where the endpoint knows them")


class Quality(Settings):
    """What is estimated after dedup, by calls of its own; a block that is left out asks for nothing."""

    back_translation: BackTranslation | None = None
    judge: Judge | None = None
