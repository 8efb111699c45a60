"""The pictures that a scene is made of: read once, upright, 8-bit RGB, whatever form they have."""

from __future__ import annotations

import contextlib
import hashlib
import io
from dataclasses import dataclass

import numpy as np

from rainbench.core.errors import ImageError
from rainbench.core.files import read_regular_file
from rainbench.core.images import LARGEST_FILE, Image, decode_image
from rainbench.core.orientation import AS_STORED, as_stored, find_orientation
from rainbench.core.resume import file_hash, key_of
from rainbench.synthesis.sources import SceneSource

_FORM = "upright 8-bit RGB"
"""Part of a scene's key: raised when the files of a scene take another form."""


@dataclass(frozen=True, slots=True)
class SceneInputs:
    """The bytes of a scene's pictures: what is hashed is what is used.

    Attributes:
        source: Where they lie.
        clean: The file of the clean image.
        photograph: That of the photograph through drops; empty without.
        depth_sha256: Of the depth map; empty without.
    """

    source: SceneSource
    clean: bytes
    photograph: bytes
    depth_sha256: str

    @classmethod
    def read(cls, source: SceneSource) -> SceneInputs:
        """Read the input files of a scene.

        Raises:
            ImageError: One cannot be read.
        """
        path = source.clean
        try:
            clean = read_regular_file(path, LARGEST_FILE)
            photograph = b""
            if source.photograph is not None:
                path = source.photograph
                photograph = read_regular_file(path, LARGEST_FILE)
            depth = ""
            if source.depth is not None:
                path = source.depth
                depth = file_hash(path)
        except OSError as error:
            raise ImageError(path, f"cannot be read: {error.strerror}") from None
        return cls(source, clean, photograph, depth)

    def key(self, options: str) -> str:
        """Return the hash of all that the scene's files depend on, the options' hash among it."""
        pictures = [hashlib.sha256(data).hexdigest() for data in (self.clean, self.photograph)]
        return key_of([_FORM, options, self.source.label, *pictures, self.depth_sha256])

    def pictures(self) -> tuple[Image, Image | None]:
        """Return the clean image and the photograph through drops, both upright.

        Raises:
            ImageError: One cannot be used, or the two do not fit.
        """
        source = self.source
        clean = decode_image(self.clean, source.clean)
        if source.photograph is None:
            return clean, None
        photograph = decode_image(self.photograph, source.photograph)
        if photograph.shape != clean.shape:
            raise ImageError(
                source.photograph,
                f"is {_size(photograph)} but {source.clean} is {_size(clean)}",
                hint="One of the two was cropped, resized or turned: fetch the pair again.",
            )
        flags = find_orientation(self.clean), find_orientation(self.photograph)
        if flags[0] != flags[1]:
            stored = [as_stored(*each) for each in zip((clean, photograph), flags, strict=True)]
            if _distance(*stored) < _distance(clean, photograph):
                raise ImageError(
                    source.photograph,
                    f"is turned by its EXIF data otherwise than {source.clean}, and fits it only "
                    "as both are stored",
                    hint="Take the orientation out of the EXIF data of both, or save both upright.",
                )
        return clean, photograph


def is_plain_png(data: bytes) -> bool:
    """Return whether a file that can be decoded is an upright PNG of three channels and no more.

    Palettes, alpha and gray are no such files, nor is whatever tells a viewer to turn the picture.
    """
    import PIL.Image

    with (
        contextlib.suppress(OSError, ValueError, SyntaxError),  # what its parsers raise
        PIL.Image.open(io.BytesIO(data), formats=("PNG",)) as picture,
    ):
        plain: bool = picture.mode == "RGB" and "transparency" not in picture.info
        return plain and find_orientation(data) == AS_STORED
    return False


def _distance(one: Image, other: Image) -> float:
    """Return the mean difference of two pictures; infinite where their sizes differ."""
    if one.shape != other.shape:
        return float("inf")
    return float(np.abs(one.astype(np.int16) - other).mean())


def _size(image: Image) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
