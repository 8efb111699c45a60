"""Fits `niqe-rainbench`'s model of undistorted photographs: python benchmarks/fit_niqe.py FOLDER.

The model that comes with the package was made from the 200 test photographs of BSDS500.
"""

import json
import sys
from pathlib import Path

import numpy as np

from rainbench.core.images import read_image
from rainbench.metrics.quality import niqe

ABOUT = "the sharper blocks of the 200 test photographs of BSDS500, by benchmarks/fit_niqe.py"


def main() -> None:
    """Write the model of the photographs in a folder."""
    files = sorted(Path(sys.argv[1]).glob("*.jpg"))
    model = niqe.fit_natural_model(read_image(file) for file in files)
    covariance = model.covariance[np.triu_indices(niqe.FEATURES)]
    content = {
        "about": ABOUT,
        "photographs": len(files),
        "mean": [float(f"{value:.9g}") for value in model.mean],
        "covariance": [float(f"{value:.9g}") for value in covariance],
    }
    out = Path(niqe.__file__).with_name(niqe.OUR_MODEL)
    out.write_text(json.dumps(content, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
