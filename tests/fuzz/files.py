"""Damaged images, videos and MATLAB stacks, and other readers to compare ours with."""

import io
import struct
import zlib

import numpy as np
from mutate import mutate_bytes, mutate_text

SHAPE = (20, 28, 3)


def picture():
    """A smooth picture with a little noise: all of a codec's tools are used."""
    rng = np.random.default_rng(5)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    smooth = np.stack([rows * 9, columns * 8, 255 - rows * 5 - columns * 2], -1)
    return np.clip(smooth + rng.integers(-6, 7, SHAPE), 0, 255).astype(np.uint8)


class Kind:
    """Files of one kind: ``seeds`` are whole ones, ``judge`` reads a mutant."""

    text = False
    name = "mutant"

    def __init__(self, folder):
        self.folder = folder
        self.file = folder / self.name
        self.seeds = self.make_seeds()
        self.whole = [self.read(seed) for seed in self.seeds]

    def mutate(self, rng):
        damage = mutate_text if self.text else mutate_bytes
        return damage(rng.choice(self.seeds), rng, self.seeds)

    def read(self, data):
        self.file.write_bytes(data)
        return self.read_file()

    def judge(self, data):
        found = self.read(data)
        if any(self.same(found, whole) for whole in self.whole):
            return "unchanged"
        return "agreed" if self.confirms(data, found) else "differing"

    def same(self, found, whole):
        return np.array_equal(found, whole)


class ImageKind(Kind):
    def __init__(self, name, *variants, slack=0):
        self.name, self.variants, self.slack = f"a.{name}", variants or ({},), slack

    def __call__(self, folder):
        super().__init__(folder)
        return self

    def make_seeds(self):
        import PIL.Image

        seeds = []
        for options in self.variants:
            file = io.BytesIO()
            kind = {"jpg": "jpeg", "tif": "tiff"}.get(self.name[2:], self.name[2:])
            PIL.Image.fromarray(picture()).save(file, kind, **options)
            seeds.append(file.getvalue())
        return seeds

    def read_file(self):
        from rainbench.core.images import read_image

        return read_image(self.file)

    def confirms(self, data, found):
        """Pillow decodes the same, or nearly so where the codec leaves a choice."""
        import PIL.Image

        try:
            with PIL.Image.open(io.BytesIO(data)) as image:
                theirs = np.asarray(image.convert("RGB")).astype(int)
        except Exception:
            return False
        return theirs.shape == found.shape and np.abs(theirs - found).max() <= self.slack


class GifKind(ImageKind):
    """No format of ours: whatever is read must be what Pillow reads, in the first frame."""

    def make_seeds(self):
        seeds = super().make_seeds()
        self.read = lambda data: None
        return seeds

    def judge(self, data):
        from rainbench.core.images import decode_image

        found = decode_image(data, self.file)
        return "agreed" if self.confirms(data, found) else "differing"


class VideoKind(Kind):
    """Decoded as within the decoder's process; what `serve` answers with an error is refused."""

    def __init__(self, name, codec, pixel_format, slack):
        self.name, self.codec, self.format, self.slack = name, codec, pixel_format, slack

    def __call__(self, folder):
        super().__init__(folder)
        return self

    def make_seeds(self):
        from videos import moving_frames, write_video

        seeds = []
        for seed in (0, 1):
            frames = moving_frames(6, 32, 48, seed)
            write_video(self.file, frames, self.codec, self.format)
            seeds.append(self.file.read_bytes())
        return seeds

    def read_file(self):
        from rainbench.core.errors import RainbenchError
        from rainbench.video.types import NOT_SHARED, DamageError
        from rainbench.video.worker import Ring, open_source

        request = {"path": str(self.file), "selection": {}, "variable": None}
        frames = []
        try:
            source = open_source(request)
            for picture in source.pictures():
                Ring(NOT_SHARED, picture).put(0, picture)
                source.info.to_json()
                rows = np.frombuffer(picture.data, np.uint8)
                rows = rows[: abs(picture.step) * picture.height].reshape(picture.height, -1)
                rows = rows[:: 1 if picture.step > 0 else -1, : picture.width * picture.channels]
                frames.append(rows.reshape(picture.height, picture.width, -1).copy())
        except (DamageError, MemoryError, OSError) as error:
            raise RainbenchError(str(error)) from None
        if not frames:
            raise RainbenchError("no frames")
        return frames

    def same(self, found, whole):
        return len(found) == len(whole) and all(map(np.array_equal, found, whole))

    def confirms(self, data, found):
        """FFmpeg finds as many frames, and nearly the same ones: damage that no codec notices."""
        import av
        from av.video.reformatter import Interpolation

        theirs = []
        flags = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
        try:
            with av.open(str(self.file), metadata_errors="replace") as container:
                for frame in container.decode(video=0):
                    theirs.append(frame.to_ndarray(format="rgb24", interpolation=flags))
        except av.FFmpegError:
            pass
        if len(theirs) != len(found):
            return False
        pairs = zip(theirs, found, strict=True)
        return all(
            one.shape[:2] == two.shape[:2] and np.abs(one - two.astype(int)).mean() <= self.slack
            for one, two in pairs
        )


class MatKind(VideoKind):
    name = "a.mat"

    def __init__(self, folder):
        Kind.__init__(self, folder)

    def make_seeds(self):
        import scipy.io

        stack = np.stack([picture()[..., 0]] * 4 + [picture()[..., 1]], -1)
        colour = np.stack([picture(), picture()[::-1]], -1)
        seeds = []
        for compressed, frames in ((False, stack), (True, stack), (True, colour)):
            file = io.BytesIO()
            scipy.io.savemat(file, {"input": frames, "x": 3.0}, do_compression=compressed)
            seeds.append(file.getvalue())
        return seeds

    def confirms(self, data, found):
        """The pixels stand in the file as they were read, one column after the other."""
        stack = np.stack(found, -1)
        stack = stack[:, :, 0] if stack.shape[2] == 1 else stack
        pixels = stack.tobytes(order="F")
        return pixels in data or any(pixels in part for part in inflated(data))


def inflated(data):
    """The parts of a MATLAB file that are compressed and whole."""
    position = 128
    while position + 8 <= len(data):
        for order in "<>":
            kind, size = struct.unpack(f"{order}II", data[position : position + 8])
            if kind == 15:
                try:
                    yield zlib.decompress(data[position + 8 : position + 8 + size])
                except zlib.error:
                    return
                break
        position += 8 + size
