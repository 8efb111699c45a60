"""Clean images of every form a folder may hold: upright 8-bit RGB PNG comes out, or a reason."""

import itertools
import json
import re

import cv2
import numpy as np
import PIL.Image
import pytest

from rainbench.core.images import read_image, write_png

HEIGHT, WIDTH = 40, 64
TURNED = 0x0112
"""The EXIF entry of the orientation."""


def picture(number=0, height=HEIGHT, width=WIDTH):
    """A smooth picture, darker to the right and below, that looks different when turned."""
    coarse = np.random.default_rng(number).integers(0, 40, (5, 8, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(int)
    ramp = np.linspace(120, 0, width)[None, :, None] + np.linspace(80, 0, height)[:, None, None]
    return np.clip(smooth + ramp, 0, 255).astype(np.uint8)


def exif(orientation):
    entries = PIL.Image.Exif()
    entries[TURNED] = orientation
    return entries


TURNS = {2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud,
         5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, -1),
         7: lambda a: np.rot90(a, 2).transpose(1, 0, 2), 8: np.rot90}  # fmt: skip
"""What a viewer does to the stored pixels, by the EXIF number."""


def save(path, image, **options):
    image.save(path, **options)
    return path


def forms(folder):
    """Write pictures, each in a form of its own; return what clean/ must hold for each."""
    numbers = itertools.count()

    def image():
        return PIL.Image.fromarray(picture(next(numbers)))

    def kept(name, stored, *, shown=np.asarray, **options):
        """Write a picture as it is; return its file and its pixels as they are shown."""
        return save(folder / name, stored, **options), shown(np.asarray(stored.convert("RGB")))

    opaque = image()
    wanted = {
        "alpha": (save(folder / "alpha.png", opaque.convert("RGBA")), np.asarray(opaque)),
        "palette": kept("palette.png", image().quantize(16)),
        "gray": kept("gray.png", image().convert("L")),
        "gray-alpha": kept("gray-alpha.png", image().convert("LA")),
        "ink": (save(folder / "ink.jpg", image().convert("CMYK"), quality=95), None),
        "gif": kept("gif.gif", image().quantize(16)),
        "bmp": kept("bmp.BMP", image()),
        "webp": kept("webp.webp", image(), shown=TURNS[6], lossless=True, exif=exif(6)),
        "tiff": kept("tiff.tif", image(), shown=TURNS[8], exif=exif(8)),
    }
    unused = PIL.PngImagePlugin.PngInfo()
    unused.add(b"tRNS", bytes((0, 1, 0, 2, 0, 3)))  # a colour that no pixel has
    wanted["unused-colour"] = kept("unused-colour.png", image(), pnginfo=unused)
    for number, turn in TURNS.items():
        wanted[f"turned-{number}"] = kept(
            f"turned-{number}.png", image(), shown=turn, exif=exif(number)
        )
        lying = image()
        path = save(folder / f"phone-{number}.jpg", lying, exif=exif(number), quality=95)
        plain_jpeg = read_image(save(folder.parent / "plain.jpg", lying, quality=95))
        wanted[f"phone-{number}"] = path, turn(plain_jpeg)
    return wanted


def plain(data):
    """Whether a file is an 8-bit RGB PNG of one frame that no viewer turns."""
    kinds, position = [], 8
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kinds.append(data[position + 4 : position + 8])
        position += 12 + length
    depth, colours = data[24], data[25]
    return (depth, colours) == (8, 2) and not {b"eXIf", b"tRNS", b"acTL", b"PLTE"} & set(kinds)


def test_every_form_becomes_an_upright_rgb_png(call, tmp_path):
    (tmp_path / "in").mkdir()
    wanted = forms(tmp_path / "in")
    out = tmp_path / "out"
    code, said = call("synth", "streaks", tmp_path / "in", "--out", out, "--test-share", 1)
    assert code == 0 and f"{len(wanted)} pairs" in said
    for name, (_, pixels) in wanted.items():
        path = out / f"synth-streaks/clean/{name}.png"
        clean = read_image(path)
        assert plain(path.read_bytes()), name
        if pixels is not None:
            np.testing.assert_array_equal(clean, pixels, err_msg=name)
        assert read_image(out / f"synth-streaks/rainy/{name}_1.png").shape == clean.shape
        assert (read_image(path) == clean).all(), name


def test_a_plain_png_keeps_its_bytes_and_others_with_the_same_pixels_get_the_same_rain(
    call, tmp_path
):
    rainy = []
    for name, save_it in (("a", write_png), ("b", write_alpha)):
        (tmp_path / name).mkdir()
        save_it(tmp_path / name / "x.png", picture())
        out = tmp_path / f"out-{name}"
        call("synth", "streaks", tmp_path / name, "--out", out, "--test-share", 1)
        rainy.append((out / "synth-streaks/rainy/x_1.png").read_bytes())
    kept = (tmp_path / "out-a/synth-streaks/clean/x.png").read_bytes()
    assert kept == (tmp_path / "a/x.png").read_bytes()
    assert rainy[0] == rainy[1]


def write_alpha(path, image):
    PIL.Image.fromarray(image).convert("RGBA").save(path)


def test_rain_falls_downwards_on_a_photograph_that_is_stored_lying(call, tmp_path):
    """The same picture, saved upright and saved lying, gets the same streaks."""
    layers = []
    upright = picture(1, 96, 64)
    for name, image, options in (
        ("upright", upright, {}),
        ("lying", np.rot90(upright), {"exif": exif(6)}),
    ):
        (tmp_path / name).mkdir()
        PIL.Image.fromarray(image).save(tmp_path / name / "x.png", **options)
        out = tmp_path / f"{name}-out"
        assert call("synth", "joint", tmp_path / name, "--out", out, "--test-share", 1)[0] == 0
        layers.append(read_image(out / "synth-joint/rainy/x_1.png"))
    assert (layers[0] == layers[1]).all()


def refused(folder):
    """Write a picture in forms that are not taken; return the reason for each."""
    image = PIL.Image.fromarray(picture())
    half = image.convert("RGBA")
    half.putalpha(100)
    half.save(folder / "half.png")
    image.save(folder / "moving.png", save_all=True, append_images=[image.rotate(180)] * 3)
    image.save(folder / "moving.gif", save_all=True, append_images=[image.rotate(180)])
    image.save(folder / "pages.tif", save_all=True, append_images=[image.rotate(180)])
    cv2.imwrite(str(folder / "deep.png"), picture().astype(np.uint16) * 257)
    image.convert("CMYK").save(folder / "ink.tif")
    return {
        "half.png": "is partly transparent",
        "moving.png": "holds several images",
        "moving.gif": "holds several images",
        "pages.tif": "holds several images",
        "deep.png": "has 16 bits a channel",
        "ink.tif": "is a TIFF in colours that are not read exactly",
    }


def test_what_is_left_out_has_its_reason_in_the_summary(call, tmp_path):
    (tmp_path / "in").mkdir()
    reasons = refused(tmp_path / "in")
    write_png(tmp_path / "in/good.png", picture(3))
    (tmp_path / "in/phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "in/notes.txt").write_text("of the photographer")
    (tmp_path / "in/bare").write_bytes(b"x")
    (tmp_path / "in/.hidden.txt").write_text("x")
    out = tmp_path / "out"
    code, said = call("synth", "streaks", tmp_path / "in", "--out", out, "--test-share", 1,
                      "--allow-partial")  # fmt: skip
    assert code == 1
    passed = "passed over 3 files of other kinds: .heic (1), .txt (1), no ending (1)"
    assert f"note: {passed}" in said
    summary = json.loads((out / "summary.json").read_text())
    assert summary["notes"] == [passed] and passed in (out / "synth-streaks.toml").read_text()
    assert len(summary["left_out"]) == len(reasons)
    for name, reason in reasons.items():
        assert any(name in line and reason in line for line in summary["left_out"]), name
        assert name in said


def test_a_folder_of_other_files_alone_is_named(call, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    code, said = call("synth", "drops", tmp_path / "in", "--out", tmp_path / "out")
    assert code == 2 and "holds no images: passed over 1 file of other kinds: .heic (1)" in said


# --- pairs of the Raindrop set ------------------------------------------------------------------


def raindrop(folder, clean, drops, turned=(1, 1)):
    """Write one pair, each file with the orientation that EXIF data give."""
    for name, what, image, number in (
        ("gt", "clean", clean, turned[0]),
        ("data", "rain", drops, turned[1]),
    ):
        (folder / "train" / name).mkdir(parents=True)
        path = folder / "train" / name / f"0_{what}.png"
        options = {} if number == 1 else {"exif": exif(number)}
        PIL.Image.fromarray(np.ascontiguousarray(image)).save(path, **options)


def jrsrd(call, folder, out):
    return call("synth-jrsrd", "--raindrop", folder, "--allow-partial", "--out", out)


def test_a_pair_of_which_one_lies_is_turned_upright(call, tmp_path):
    clean, drops = picture(1), picture(2)
    raindrop(tmp_path / "in", np.rot90(clean), drops, (6, 1))
    code, said = jrsrd(call, tmp_path / "in", tmp_path / "out")
    assert code == 0, said
    split = tmp_path / "out/jrsrd-re-train"
    assert (read_image(next((split / "clean").iterdir())) == clean).all()
    assert (read_image(next((split / "drop").iterdir())) == drops).all()
    assert all(plain(path.read_bytes()) for name in ("clean", "drop", "rainy")
               for path in (split / name).iterdir())  # fmt: skip


def test_a_pair_whose_sizes_differ_once_upright_is_refused(call, tmp_path):
    raindrop(tmp_path / "in", picture(1), picture(1), (6, 1))
    code, said = jrsrd(call, tmp_path / "in", tmp_path / "out")
    assert code == 2 and "is 64x40 but" in said and "is 40x64" in said


def test_a_pair_that_fits_only_as_stored_is_refused(call, tmp_path):
    """One file lost its EXIF data when somebody edited it: turning the other would part them."""
    raindrop(tmp_path / "in", picture(1), picture(1) // 2 + 20, (3, 1))
    code, said = jrsrd(call, tmp_path / "in", tmp_path / "out")
    assert code == 2 and "is turned by its EXIF data otherwise than" in said
    raindrop(tmp_path / "fits", np.rot90(picture(1), 2), picture(1) // 2 + 20, (3, 1))
    assert jrsrd(call, tmp_path / "fits", tmp_path / "out2")[0] == 0


# --- what is printed about sizes ----------------------------------------------------------------


def sizes(said):
    """The megabytes that a build announced, and those it says it wrote."""
    return [float(number) for number in re.findall(r"([\d.]+) MB", said)]


@pytest.mark.parametrize("also", [(), ("--also", "webdataset")])
def test_the_size_announced_is_the_size_written(call, tmp_path, also):
    """Of pictures of different sizes, the first being small and plain."""
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(4)
    for number, (height, width) in enumerate([(32, 48), (240, 360), (120, 90)]):
        image = picture(number, height, width)
        noisy = np.clip(image + rng.normal(0, 9, image.shape), 0, 255).astype(np.uint8)
        write_png(tmp_path / f"in/{number}.png", image if number == 0 else noisy)
    code, said = call("synth-jrsrd", "--clean", tmp_path / "in", "--drops", "lens",
                      "--out", tmp_path / "out", *also)  # fmt: skip
    assert code == 0
    announced, written = sizes(said)
    found = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert written == pytest.approx(found / 1e6, rel=0.1)
    assert written / 1.5 < announced < written * 1.5


def test_the_size_of_tiny_pictures_is_no_zero(call, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(3):
        write_png(tmp_path / f"in/{number}.png", picture(number))
    _, said = call("synth", "mist", tmp_path / "in", "--out", tmp_path / "out")
    announced, written = sizes(said)
    assert written / 1.5 < announced < written * 1.5


def test_a_scene_of_which_nothing_can_be_made_does_not_spoil_the_estimate(call, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/0.png").write_bytes(b"nothing")
    for number in range(1, 4):
        write_png(tmp_path / f"in/{number}.png", picture(number, 120, 180))
    _, said = call("synth", "streaks", tmp_path / "in", "--out", tmp_path / "out",
                   "--allow-partial")  # fmt: skip
    announced, written = sizes(said)
    assert written / 1.5 < announced < written * 1.5


# --- looks --------------------------------------------------------------------------------------


def test_the_default_look_is_natural_and_the_published_one_can_be_had(call, tmp_path):
    (tmp_path / "in").mkdir()
    write_png(tmp_path / "in/x.png", picture(1, 96, 144))
    layers = {}
    for look in ((), ("--look", "natural"), ("--look", "painted")):
        out = tmp_path / f"out{len(layers)}"
        code, _ = call("synth-jrsrd", "--clean", tmp_path / "in", "--drops", "lens", "--out", out,
                       "--levels", "0.6", "--test-share", 1, *look)  # fmt: skip
        assert code == 0
        layers[look] = read_image(out / "jrsrd-lens/streaks/x_1.png").max()
        table = (out / "jrsrd-lens/metadata.csv").read_text().splitlines()[0].split(",")
        assert ("look" in table) == (look != ("--look", "painted"))
        softened = "softened to what films of rain show" in (out / "jrsrd-lens.toml").read_text()
        assert softened == (look != ("--look", "painted"))
    assert layers[()] == layers["--look", "natural"] < 190
    assert layers["--look", "painted"] == 217  # 0.85 of white


def everything(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def test_a_scene_of_an_earlier_build_does_not_stay_in_the_other_split(call, tmp_path):
    """With another share, and after a picture was taken away, all is as if made at once."""
    (tmp_path / "in").mkdir()
    for number in range(6):
        write_png(tmp_path / f"in/p{number}.png", picture(number))
    arguments = ("synth", "drops", tmp_path / "in", "--also", "webdataset", "--test-share")
    assert call(*arguments, 0.6, "--out", tmp_path / "again")[0] == 0
    (tmp_path / "in/p2.png").unlink()
    for share in (0.2, 1, 0.4):
        assert call(*arguments, share, "--out", tmp_path / "again")[0] == 0
        fresh = tmp_path / f"fresh-{share}"
        assert call(*arguments, share, "--out", fresh)[0] == 0
        assert everything(tmp_path / "again") == everything(fresh)
    assert call(*arguments[:3], "--test-share", 1, "--out", tmp_path / "again")[0] == 0
    assert not [*(tmp_path / "again/shards").iterdir()]  # they were of the set as it was before
