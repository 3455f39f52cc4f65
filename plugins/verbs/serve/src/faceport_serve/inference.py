"""The Open Inference Protocol, version 2: each network by its name; versions are the models that have it."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from faceport.errors import suggest
from faceport.types import Call
from faceport_serve.answers import dumps, json
from faceport_serve.catalogue import Catalogue
from faceport_serve.faces import in_time, unless_gone
from faceport_serve.limits import Limits, Room
from faceport_serve.pictures import read_body
from faceport_serve.served import Served, Ticket
from faceport_serve.tensors import LENGTH, described, read_inputs, read_request, write_outputs

BYTES_PER_PIXEL = 12  # of a tensor: three channels of float32


class Inference:
    """Answer clients that bring tensors."""

    def __init__(self, catalogue: Catalogue, limits: Limits, room: Room) -> None:
        self._catalogue, self._room, self.limits = catalogue, room, limits
        self._most = min(limits.pixels * BYTES_PER_PIXEL, limits.queue * limits.bytes)

    def routes(self) -> list[Route]:
        """List what is answered."""
        routes = [
            Route("/v2", self.server),
            Route("/v2/health/live", self.live),
            Route("/v2/health/ready", self.ready),
        ]
        for model in ("/v2/models/{network}", "/v2/models/{network}/versions/{version}"):
            routes += [
                Route(model, self.network),
                Route(f"{model}/ready", self.network_ready),
                Route(f"{model}/infer", self.infer, methods=["POST"]),
            ]
        return routes

    async def server(self, request: Request) -> Response:
        """Say what answers."""
        extensions = ["binary_tensor_data"]
        return json({"name": "faceport", "version": version("faceport-serve"), "extensions": extensions})

    async def live(self, request: Request) -> Response:
        """Say that it answers."""
        return Response()

    async def ready(self, request: Request) -> Response:
        """Say that models are open and warm."""
        return Response(status_code=200 if self._catalogue.open else 503)

    async def network(self, request: Request) -> Response:
        """Describe a network."""
        served, name = self._find(request), request.path_params["network"]
        network = served.networks[name]
        versions = [one.name for one in self._catalogue.open if name in one.networks]
        return json(
            {
                "name": name,
                "versions": versions,
                "platform": served.built.sessions[name].facts.get("runtime", ""),
                "inputs": described(network.inputs),
                "outputs": described(network.outputs),
            }
        )

    async def network_ready(self, request: Request) -> Response:
        """Say that a network is open."""
        self._find(request)
        return Response()

    @in_time
    async def infer(self, request: Request) -> Response:
        """Run a network."""
        served, name = self._find(request), request.path_params["network"]
        network = served.networks[name]
        if request.headers.get("content-encoding", "identity") != "identity":
            raise HTTPException(415, "send the body as it is, not compressed")
        data = await read_body(request, self._most + self.limits.bytes, self._room)
        asking, binary = read_request(data, request.headers.get(LENGTH))
        inputs = read_inputs(asking, binary, network, self._most)
        with self._room.place():
            future, outputs = served.run(Call(name, inputs))
            await unless_gone(request, [Ticket(future)])
        request.state.log.update(model=served.name, network=name)
        described_, blobs = await asyncio.to_thread(write_outputs, asking, outputs, network)
        answer = {"model_name": name, "model_version": served.name, "outputs": described_}
        if "id" in asking:
            answer["id"] = str(asking["id"])[:200]
        head = dumps(answer)
        if not blobs:
            return Response(head, media_type="application/json")
        headers = {LENGTH: str(len(head))}
        return Response(b"".join([head, *blobs]), headers=headers, media_type="application/octet-stream")

    def _find(self, request: Request) -> Served:
        """Find the model that has a network: the version that is named, or the first that has it."""
        name, wanted = request.path_params["network"], request.path_params.get("version")
        able = self._catalogue.open if wanted is None else [self._catalogue.get(wanted)]
        for served in able:
            if name in served.networks:
                return served
        known = [network for served in able for network in served.networks]
        raise HTTPException(404, f"there is no network '{name[:100]}'. {suggest(name[:100], known)}")
