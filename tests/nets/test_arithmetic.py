import torch

from hdac.nets import arithmetic


def test_the_faster_format_is_taken(monkeypatch) -> None:
    for bf16, fp32, wanted in (
        (450, 228, torch.bfloat16),
        (213, 398, torch.float32),
        (220, 200, torch.float32),
    ):
        rates = {torch.bfloat16: bf16, torch.float32: fp32}
        monkeypatch.setattr(arithmetic, "convolution_rate", rates.__getitem__)
        monkeypatch.setattr(
            torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True, raising=False
        )
        assert arithmetic.fast_dtype.__wrapped__("cpu") is wanted


def test_rate_is_a_rate() -> None:
    assert arithmetic.convolution_rate(torch.float32, repeats=1) > 0.1
