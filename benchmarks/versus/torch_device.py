"""Where PyTorch's contenders train, and with which products."""

from typing import Any

import torch


def settle(request: dict[str, Any]) -> dict[str, str]:
    """Sets PyTorch up for a request's `device` and `precision`.

    Returns:
        The versions to report, with the name of the GPU where it is one.
    """
    # PyTorch multiplies float32 as such unless it is told otherwise; its recurrent kernels round unless told not to.
    rounded = request["precision"] == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = rounded
    versions = {"torch": torch.__version__}
    return versions | ({"gpu": torch.cuda.get_device_name()} if request["device"] == "cuda" else {})


def finish(device: str) -> None:
    """Waits until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
