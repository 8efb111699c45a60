"""Networks that fail on purpose are a row each, and the others are done."""

import json

FAILING = {
    "raises": "raise ZeroDivisionError('nothing')",
    "exits": "raise SystemExit(0)",
    "ends": "import os; os._exit(0)",
    "interrupts": "raise GeneratorExit",
    "recursion": "return self.forward(rainy)",
    "memory": "raise MemoryError",
    "allocator": "raise RuntimeError('DefaultCPUAllocator: not enough memory')",
    "none": "return None",
    "text": "return 'done'",
    "empty": "return []",
    "several": "return [rainy, rainy / 2]",
    "gray": "return rainy[:, :1]",
    "smaller": "return rainy[..., 1:]",
    "numbers": "return (rainy * 255).byte()",
    "nan": "return rainy / 0 * 0",
    "levels": "return rainy * 255",
    "trains": "self.train(); return rainy",
    "array": "return rainy.numpy()",
}
GOOD = {
    "tuple": "return rainy, [rainy]",
    "dictionary": "return {'image': rainy, 'mask': rainy[:, :1]}",
    "prints": "print('hello'); return rainy",
    "seeds": "torch.manual_seed(3); torch.set_default_dtype(torch.float64); return rainy",
    "changes": "return rainy.mul_(0.5)",
}


def test_each_is_a_row(rainbench, toy, tmp_path):
    text = "import torch\nfrom torch import nn\n"
    for name, body in {**FAILING, **GOOD}.items():
        text += f"\n\nclass {name}(nn.Module):\n    def forward(self, rainy):\n        {body}\n"
    (tmp_path / "nets.py").write_text(text)
    words = [word for name in {**FAILING, **GOOD} for word in ("-b", f"{name}=nets.py:{name}")]
    done = rainbench(
        "run", *words, "-b", "identity", "-d", "toy", "--data", toy, "--limit", 2,
        "--out", tmp_path / "run", "--device", "cpu", "--threads", 1,
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"{len(GOOD) + 1} done, {len(FAILING)} failed" in done.stderr
    assert "hello" not in done.stdout
    for name in FAILING:
        cell = tmp_path / f"run/cells/toy/{name}"
        assert json.loads((cell / "failed.json").read_text())["reason"]
        assert not (cell / "cell.json").exists()
