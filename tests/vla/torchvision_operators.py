"""Makes torchvision importable where it is built for another PyTorch than the one beside it."""


def declare_operators() -> None:
    """Declare the operators that torchvision's import expects, if its own do not load.

    The registry's torchvision is built for CUDA, and its compiled operators do not load beside a PyTorch for
    CPUs. SmolVLA uses none of them; only importing torchvision asks that these two be declared.
    """
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(library)


_KEPT: list = []  # the declarations last as long as their library
