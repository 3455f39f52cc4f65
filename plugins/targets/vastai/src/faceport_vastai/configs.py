"""What Vastai's tools read: vamc's YAML, and the JSON of the pre-processing that the card does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from faceport.graph.normalise import Normalisation
from faceport_vastai.options import ONNX, PICTURES, VastaiOptions


def fits_half(normalisation: Normalisation) -> bool:
    """Tell whether fp16 holds mean and deviation of bytes; else the card divides by 255 first."""
    return all(float(np.float16(one)) == one for one in (*normalisation.mean, *normalisation.deviation))


def vamc_config(
    name: str, tensor: str, shape: Sequence[int], normalisation: Normalisation, options: VastaiOptions
) -> dict[str, Any]:
    """Write the configuration that vamc compiles by; fp16 needs no data."""
    config: dict[str, Any] = {
        "name": name,
        "frontend": {
            "type": "onnx",
            "checkpoint": ONNX,
            "shape": {tensor: list(shape)},
            "dtype": "fp32",
        },
        "backend": {
            "type": "tvm_vacc",
            "dtype": options.precision,
            "compile": {
                "cluster_mode": options.cluster_mode,
                "data_transport_mode": options.data_transport_mode,
            },
        },
        "workspace": {"path": "./deploy_weights/"},
    }
    if options.precision == "int8":
        config["backend"]["quantize"] = {
            "calibrate_mode": options.calibrate_mode,
            "quantize_per_channel": options.per_channel,
        }
        config["dataset"] = {
            "type": "tvm",
            "path": PICTURES,
            "sampler": {"suffix": "png", "get_data_num": options.pictures},
            "process_ops": process_ops(shape, normalisation),
        }
    return config


def process_ops(shape: Sequence[int], normalisation: Normalisation) -> list[dict[str, Any]]:
    """List what vamc does to a picture before it calibrates; pictures have the network's size already."""
    half = fits_half(normalisation)
    mean, std = (
        [one if half else round(one / 255, 6) for one in values]
        for values in (normalisation.mean, normalisation.deviation)
    )
    turned = [{"type": "CvtColor", "code": "COLOR_RGB2BGR"}] if normalisation.colour == "BGR" else []
    return [
        {"type": "DecodeImage"},
        *turned,
        {"type": "Resize", "size": list(shape[2:])},
        {"type": "Normalize", "div255": not half, "mean": mean, "std": std},
        {"type": "ToTensor"},
    ]


def vdsp_params(shape: Sequence[int], normalisation: Normalisation, letterbox: bool) -> dict[str, Any]:
    """Write the pre-processing of the card; the spelling of its keys is the vendor's."""
    half = fits_half(normalisation)
    height, width = shape[2:]
    mean, std = (
        [float(np.float16(one if half else one / 255)) for one in values]
        for values in (normalisation.mean, normalisation.deviation)
    )
    manner = "LETTERBOX" if letterbox else "RESIZE"
    return {
        "OpType": f"FUSION_OP_RGB_{manner}_CVTCOLOR_NORM_TENSOR",
        "OpConfig": {
            "IimageFormat": "RGB_PLANAR",
            "IimageWidth": width,
            "IimageHeight": height,
            "IimageWidthPitch": width,
            "IimageHeightPitch": height,
            "OimageWidth": width,
            "OimageHeight": height,
            "Mean": mean,
            "Std": std,
            "NormaType": "MINUSMEAN_DIVSTD" if half else "DIV255_MINUSMEAN_DIVSTD",
            "ColorCvtCode": "RGB2BGR" if normalisation.colour == "BGR" else "NO_CHANGE",
            "ResizeType": "BILINEAR_CV",
        },
    }
