"""Serve on the course's Ray: who can reach it, and two programs that share it."""

import logging
import os
import socket
import subprocess
import sys

import grpc
import psutil
import pytest
import requests

from helpers import local
from launch import session

# Ray Serve defines its settings in a way that Pydantic is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SECOND = """
import sys

import ray
import requests
from ray import serve

ray.init(logging_level="error", log_to_driver=False)


@serve.deployment(ray_actor_options={"num_cpus": 0.1})
class Other:
    def __call__(self, request):
        return "the other"


serve.start(http_options={"port": 1})  # too late: Serve runs
serve.run(Other.bind(), name="other", route_prefix="/other")
print(requests.get(sys.argv[1] + "/other", timeout=60).text)
serve.delete("other")
"""


@pytest.fixture(scope="module")
def url(ray):
    """Serve's address, with one application on it at /pid, which answers its process's number."""
    from ray import serve

    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    port = local.free_port(0)
    serve.start(http_options={"port": port})

    @serve.deployment(ray_actor_options={"num_cpus": 0.1})
    class Pid:
        def __call__(self, request):
            return str(os.getpid())

    serve.run(Pid.bind(), name="pid", route_prefix="/pid")
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()


def listeners(process: psutil.Process) -> list:
    return [one.laddr for one in process.net_connections("tcp") if one.status == psutil.CONN_LISTEN]


def is_loopback(ip: str) -> bool:
    return ip.removeprefix("::ffff:") in ("127.0.0.1", "::1")


def test_http_listens_on_loopback(url):
    port = int(url.rpartition(":")[2])
    mine = [process for process in psutil.process_iter() if "ProxyActor" in process.name()]
    found = [one for process in mine for one in listeners(process) if one.port == port]
    assert found and all(is_loopback(one.ip) for one in found)


def test_a_replicas_own_port_wants_rays_token(url):
    replica = psutil.Process(int(requests.get(f"{url}/pid", timeout=60).text))
    [door] = [one for one in listeners(replica) if not is_loopback(one.ip)]
    addresses = [
        one.address
        for own in psutil.net_if_addrs().values()
        for one in own
        if one.family == socket.AF_INET
    ]
    outside = next((one for one in addresses if not is_loopback(one)), "127.0.0.1")

    def refusal(token: str | None) -> grpc.StatusCode:
        with grpc.insecure_channel(f"{outside}:{door.port}") as channel:
            call = channel.unary_unary("/ray.serve.ASGIService/HandleRequest")
            known = [("authorization", f"Bearer {token}")] if token else []
            with pytest.raises(grpc.RpcError) as refused:
                call(b"", timeout=60, metadata=known)
            return refused.value.code()

    assert refusal(None) == refusal("0" * 64) == grpc.StatusCode.UNAUTHENTICATED
    assert refusal(session.token()) == grpc.StatusCode.UNKNOWN  # let in, it cannot read b""


def test_two_programs_share_one_serve(url):
    second = subprocess.run(
        [sys.executable, "-c", SECOND, url], capture_output=True, text=True, timeout=300
    )
    assert second.stdout.strip() == "the other", second.stderr[-3_000:]
    assert requests.get(f"{url}/pid", timeout=60).ok
    assert requests.get(f"{url}/other", timeout=60).status_code == 404
