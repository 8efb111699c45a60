"""Small runs as the builder leaves them: synthetic scenes under synthetic rain."""

import json

import numpy as np

from rainbench.core.images import write_png


def scene(width=96, height=64, seed=0):
    """A sky, a house with windows, a lawn: enough structure to see what a slider does."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / np.array([height, width]).reshape(2, 1, 1)
    picture = np.stack([120 + 40 * y, 150 + 20 * y, 200 - 60 * y], axis=-1)
    picture[y > 0.7] = (80, 120, 60)
    house = (abs(x - 0.5) < 0.22) & (y > 0.35) & (y < 0.8)
    picture[house] = random.integers(90, 180, 3)
    picture[house & (x * 30 % 4 < 1.5) & (y * 20 % 4 < 2)] = (40, 45, 60)
    picture += 6 * np.sin(70 * x + 40 * y)[..., None]
    return np.clip(picture, 0, 255).astype(np.uint8)


def rain(picture, seed):
    """A copy of the picture with bright slanted streaks."""
    random = np.random.default_rng(seed)
    height, width = picture.shape[:2]
    rainy = picture.astype(np.float64)
    length = max(4, height // 6)
    for _streak in range(60):
        top, left = random.integers(0, height), random.integers(0, width)
        steps = np.arange(length)
        rows, columns = top + steps, left + steps // 4
        inside = (rows < height) & (columns < width)
        rainy[rows[inside], columns[inside]] += 80
    return np.clip(rainy, 0, 255).astype(np.uint8)


def candidate(name, **changes):
    """What the builder says of a good candidate."""
    curve = np.exp(-(((np.arange(101) - 38) / 9.0) ** 2)) * 5000
    return {
        "id": name,
        "video": f"{name}.mp4",
        "frames": 100,
        "method": "robust",
        "percentile": 38,
        "vote_curve": [int(votes) for votes in curve],
        "vote_share": 0.83,
        "estimated_psnr": 44.7,
        "verdict": "accept",
        "reason": "the two halves agree",
        "round": 1,
        **changes,
    }


def add_sequence(
    run, name, *, size=(96, 64), samples=3, seed=0, blemish=True, enlarge=1, **changes
):
    """Write one sequence's folder and return it."""
    folder = run / "sequences" / name
    (folder / "rainy").mkdir(parents=True)
    (folder / "candidate.json").write_text(json.dumps(candidate(name, **changes)))
    clean = scene(*size, seed=seed)
    for number in range(samples):
        rainy = rain(clean, seed=100 * seed + number).repeat(enlarge, 0).repeat(enlarge, 1)
        write_png(folder / "rainy" / f"{number:03}.png", rainy)
    if blemish:  # a ghost that the worst patches must find
        height, width = clean.shape[:2]
        clean = clean.copy()
        clean[height // 8 : height // 4, width // 8 : width // 4] //= 2
    write_png(folder / "clean.png", clean.repeat(enlarge, 0).repeat(enlarge, 1))
    return folder


HOSTILE_NAMES = (
    "<script>document.title='owned'</script>".replace("/", "∕"),
    '"><img src=x onerror="document.title=\'owned\'">',
    "it's; a 'quoted' & \"quoted\" name",
    "two\nlines\tand\x1b[31m red",
    "雨の庭 · дождь · مطر 🌧",
    "..\\..\\up",
    "{{ 7 * 7 }}{% raw %}",
    "%2e%2e%2fetc",
    "\u202egnp.exe",
)
"""Names of folders that a careless page would run, break on, or follow."""
