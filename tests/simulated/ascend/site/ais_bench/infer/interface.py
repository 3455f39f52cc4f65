"""The simulated InferSession: bytes are passed through unchecked, as the real one does."""

import numpy as np
from ascend_om import Om, need_environment


class InferSession:
    def __init__(self, device_id, model_path, acl_json_path=None, debug=False, loop=1):
        need_environment()
        self._om = Om(model_path)

    def infer(self, feeds, mode="static", custom_sizes=100000):
        arrays = []
        for name, feed in zip(self._om.ranges, feeds, strict=True):
            if not feed.flags.c_contiguous:
                raise RuntimeError("feeds must be contiguous")
            shape = feed.shape if mode == "dymshape" else self._om.shape(name)
            data = np.frombuffer(feed.tobytes(), self._om.dtype())
            arrays.append(data[: int(np.prod(shape))].reshape(shape))
        outputs = self._om.run(arrays)
        if not self._om.static and mode != "dymshape":
            raise RuntimeError("a dynamic model was run as a static one")
        if mode == "dymshape" and any(value.nbytes > custom_sizes for value in outputs):
            raise RuntimeError("output buffer is too small")
        return outputs

    def finalize(self):
        self._om = None
