"""The cluster under test: plain HTTP with every header in our own hands."""

from __future__ import annotations

import json
import threading
import warnings
from dataclasses import dataclass
from typing import Any

import requests
import urllib3
from kubernetes import client, config

KUBEVIRT = "/apis/kubevirt.io/v1"
SUBRESOURCES = "/apis/subresources.kubevirt.io/v1"
PLURALS = {
    "vm": "virtualmachines",
    "vmi": "virtualmachineinstances",
    "migration": "virtualmachineinstancemigrations",
}
MERGE_PATCH = "application/merge-patch+json"
TIMEOUT = 60.0


@dataclass(frozen=True)
class Answer:
    """What came back: status code, media type, warning header, text, and the body parsed as JSON where it is an object."""

    code: int
    type: str | None
    warning: str
    text: str
    body: dict[str, Any]

    @property
    def reason(self) -> str | None:
        """The Status' reason; None where the server gives none."""
        return self.body.get("reason") or None

    @property
    def message(self) -> str:
        """The Status' message, or the text of an answer without a Status."""
        return str(self.body.get("message") or self.text)

    @property
    def causes(self) -> list[str]:
        """``reason field`` of each cause."""
        found = (self.body.get("details") or {}).get("causes") or []
        return [f"{cause.get('reason', '')} {cause.get('field', '')}".strip() for cause in found]


def _answer(response: requests.Response) -> Answer:
    try:
        body = response.json()
    except (ValueError, UnicodeDecodeError):
        body = {}
    media = response.headers.get("Content-Type")
    return Answer(
        code=response.status_code,
        type=media.split(";")[0] if media else None,
        warning=response.headers.get("Warning", ""),
        text=response.text,
        body=body if isinstance(body, dict) else {},
    )


class Cluster:
    """Requests to the cluster of one kubeconfig, in one namespace; safe to use from several threads."""

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        self.kubeconfig = kubeconfig
        self.namespace = namespace
        self._configuration = client.Configuration()
        config.load_kube_config(config_file=kubeconfig, client_configuration=self._configuration)
        self._local = threading.local()
        if not self._configuration.verify_ssl:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    @property
    def session(self) -> requests.Session:
        """This thread's connection."""
        if not hasattr(self._local, "session"):
            self._local.session = self._new_session()
        session: requests.Session = self._local.session
        return session

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.headers.clear()
        settings = self._configuration
        session.verify = settings.ssl_ca_cert if settings.verify_ssl and settings.ssl_ca_cert else settings.verify_ssl
        if settings.cert_file:
            session.cert = (settings.cert_file, settings.key_file)
        token = settings.get_api_key_with_prefix("authorization")
        if token:
            session.headers["Authorization"] = token
        return session

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: dict[str, Any] | None = None,
        headers: dict[str, str | None] | None = None,
    ) -> Answer:
        """Sends a request; a header of None is not sent at all. ``body`` is JSON unless it is bytes."""
        sent: dict[str, str | None] = {"Accept": "*/*", "Content-Type": "application/json", **(headers or {})}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        response = self.session.request(
            method,
            self._configuration.host + path,
            params=query,
            data=data,
            headers={name: value for name, value in sent.items() if value is not None},
            timeout=TIMEOUT,
        )
        return _answer(response)

    def stream(self, path: str, query: dict[str, Any]) -> requests.Response:
        """An open watch."""
        return self._new_session().get(
            self._configuration.host + path,
            params=query,
            stream=True,
            timeout=(10, 300),
            headers={"Accept": "application/json"},
        )

    def path(self, kind: str, name: str = "", *, namespace: str | None = None) -> str:
        """The path of VMs, VMIs or migrations, or of the one named."""
        base = f"{KUBEVIRT}/namespaces/{namespace or self.namespace}/{PLURALS[kind]}"
        return f"{base}/{name}" if name else base

    def core(self, plural: str, name: str = "") -> str:
        """The path of a core object in the namespace."""
        base = f"/api/v1/namespaces/{self.namespace}/{plural}"
        return f"{base}/{name}" if name else base

    def subresource(self, target: str, name: str) -> str:
        """The path of a target such as ``vm/start`` of the object named."""
        target, _sep, query = target.partition("?")
        kind, _sep, rest = target.partition("/")
        tail = f"?{query}" if query else ""
        return f"{SUBRESOURCES}/namespaces/{self.namespace}/{PLURALS[kind]}/{name}/{rest}{tail}"

    def get(self, path: str, query: dict[str, Any] | None = None) -> dict[str, Any]:
        """The object at a path; an empty one where there is none."""
        answer = self.request("GET", path, query=query, headers={"Accept": "application/json"})
        if answer.code == 404:
            return {}
        if answer.code != 200:
            raise AssertionError(f"GET {path} gave {answer.code}: {answer.message[:300]}")
        return answer.body

    @staticmethod
    def text_of_service(service: dict[str, Any], path: str) -> str:
        """What a Service that stands for an address outside of the cluster serves; its certificate is its own."""
        spec = service["spec"]
        url = f"https://{spec['externalName']}:{spec['ports'][0]['port']}{path}"
        pool = urllib3.PoolManager(cert_reqs="CERT_NONE", assert_hostname=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
            return pool.request("GET", url, timeout=10.0, retries=False).data.decode()

    def must(self, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
        """A request that stages something: anything but success is a failure of the stage."""
        answer = self.request(method, path, body, **more)
        if answer.code >= 300:
            raise AssertionError(f"staging: {method} {path} gave {answer.code}: {answer.message[:400]}")
        return answer.body

    def has_kubelets(self) -> bool:
        """Whether real nodes serve the cluster: then guests are real, too."""
        nodes = self.get("/api/v1/nodes").get("items", [])
        return any(
            (node.get("status", {}).get("nodeInfo") or {}).get("kubeletVersion", "").startswith("v1.") for node in nodes
        )
