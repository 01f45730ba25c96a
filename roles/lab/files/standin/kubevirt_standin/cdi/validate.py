"""What CDI's webhook refuses in a DataVolume; pure, and said in the words that users meet."""

from __future__ import annotations

import string
from collections.abc import Callable
from urllib.parse import urlsplit

from ..api.causes import cause
from ..quantity import QuantityError, parse, to_bytes
from ..resources import Object
from . import populated_elsewhere, source_of

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
LEAST = 1 << 20
Causes = list[Object]
Rule = Callable[[Object], Causes]


def refusals(dv: Object, old: Object | None, claim: Object | None) -> Causes:
    """Why a new or changed DataVolume is refused; `claim` is the claim of its name where there is one."""
    if old is not None:
        return _changes(dv["spec"], old["spec"]) or _spec(dv["spec"])
    if claim is not None and not populated_elsewhere(claim, dv) and not _of_data_volume(claim):
        meta = claim["metadata"]
        text = f"Destination PVC {meta['namespace']}/{meta['name']} already exists"
        return [cause("Duplicate", text, "DataVolume.Name")]
    return _spec(dv["spec"])


def _changes(spec: Object, old: Object) -> Causes:
    """The spec stays as it is, but for the checkpoints of an import in stages."""
    staged = spec.get("checkpoints") and source_of({"spec": spec})[0] in ("vddk", "imageio")
    parts = ("checkpoints", "finalCheckpoint") if staged else ()
    if {key: part for key, part in spec.items() if key not in parts} == {
        key: part for key, part in old.items() if key not in parts
    }:
        return []
    return [cause("Duplicate", "Cannot update DataVolume Spec", "DataVolume.Spec")]


def _of_data_volume(claim: Object) -> bool:
    owners = claim["metadata"].get("ownerReferences") or []
    return any(owner.get("controller") and owner["kind"] == "DataVolume" for owner in owners)


def _invalid(message: str, field: str) -> Causes:
    return [cause("Invalid", message, field)]


def _spec(spec: Object) -> Causes:
    """The first thing that is wrong with a spec, as the webhook stops at it."""
    for rule in (_forms, _size, _class_name, _access_modes, _one_origin, _source):
        found = rule(spec)
        if found:
            return found
    return []


def _forms(spec: Object) -> Causes:
    if spec.get("pvc") is None and spec.get("storage") is None:
        return _invalid("Missing Data volume PVC", "spec.PVC")
    if spec.get("pvc") is not None and spec.get("storage") is not None:
        text = "Duplicate storage definition, both target storage and target pvc defined"
        return _invalid(text, "spec.PVC.Storage")
    return []


def _form(spec: Object) -> tuple[str, Object]:
    return ("PVC", spec["pvc"]) if spec.get("pvc") is not None else ("Storage", spec["storage"])


def _size(spec: Object) -> Causes:
    name, form = _form(spec)
    field = f"spec.{name}.resources.requests.size"
    size = ((form.get("resources") or {}).get("requests") or {}).get("storage")
    if size is None:
        sized_by_source = spec.get("sourceRef") or source_of({"spec": spec})[0] in ("pvc", "snapshot")
        return [] if name == "Storage" and sized_by_source else _invalid(f"{name} size is missing", field)
    try:
        if parse(size) <= 0:
            return _invalid(f"{name} size can't be equal or less than zero", field)
    except QuantityError as error:
        return _invalid(str(error), field)
    return _invalid(f"{name} size should be at least 1MiB", field) if to_bytes(size) < LEAST else []


def _class_name(spec: Object) -> Causes:
    long = len(_form(spec)[1].get("storageClassName") or "") > 253
    return _invalid("Name cannot be longer than 253 characters", "") if long else []


def _access_modes(spec: Object) -> Causes:
    name, form = _form(spec)
    modes, field = form.get("accessModes") or [], "spec.PVC.accessModes"
    if name == "PVC" and not modes:
        return _invalid("Required value: at least 1 access mode is required", field)
    if name == "PVC" and len(modes) > 1:
        return _invalid("PVC multiple accessModes", field)
    if all(mode in ACCESS_MODES for mode in modes):
        return []
    known = ", ".join(f'"{mode}"' for mode in ACCESS_MODES)
    return _invalid(f'Unsupported value: "{modes[0]}": supported values: {known}', field)


def _one_origin(spec: Object) -> Causes:
    form = _form(spec)[1]
    source, reference = spec.get("source"), spec.get("sourceRef")
    if form.get("dataSource") or form.get("dataSourceRef"):
        both = source is not None or reference is not None
        text = "External population is incompatible with Source and SourceRef"
        return _invalid(text, "spec.source") if both else []
    if (source is None) == (reference is None):
        text = "Data volume should have either Source or SourceRef, or be externally populated"
        return _invalid(text, "spec.source")
    if reference is None:
        return []
    if reference.get("kind") != "DataSource":
        text = f"Unsupported sourceRef kind {reference.get('kind')}, currently only DataSource is supported"
        return _invalid(text, "spec.sourceRef.Kind")
    return [] if reference.get("name") else _invalid("Missing sourceRef name", "spec.sourceRef.Name")


def _source(spec: Object) -> Causes:
    if spec.get("source") is None:
        return []
    given = [kind for kind, parameters in spec["source"].items() if parameters is not None]
    if len(given) != 1:
        return _invalid(f"{'Multiple' if given else 'Missing'} Data volume source" + "s" * bool(given), "spec.source")
    kind, parameters = source_of({"spec": spec})
    archive = spec.get("contentType") == "archive"
    if archive and kind == "blank":
        return _invalid("SourceType cannot be blank and the contentType be archive", "spec.contentType")
    if archive and kind == "registry":
        return _invalid("ContentType must be kubevirt when Source is Registry", "spec.contentType")
    rule = RULES.get(kind)
    return rule(parameters) if rule is not None else []


def _address(name: str) -> Rule:
    def check(parameters: Object) -> Causes:
        url, field = parameters.get("url") or "", f"spec.source.{name}.url"
        if not url:
            return _invalid("spec.source source URL is empty", field)
        scheme = urlsplit(url).scheme
        if not scheme:
            return _invalid(f"spec.source Invalid source URL: {url}", field)
        return (
            []
            if scheme in ("http", "https", "gs")
            else _invalid(f"spec.source Invalid source URL scheme: {url}", field)
        )

    return check


def _http(parameters: Object) -> Causes:
    found, checksum = _address("HTTP")(parameters), parameters.get("checksum")
    if found or not checksum:
        return found
    algorithm, _colon, digest = checksum.partition(":")
    right = len(digest) == DIGITS.get(algorithm.lower()) and all(digit in string.hexdigits for digit in digest)
    text = f"Invalid checksum format: {checksum!r} is no algorithm:hash of {', '.join(DIGITS)}"
    return [] if right else _invalid(text, "spec.source.HTTP.checksum")


def _registry(parameters: Object) -> Causes:
    url, stream, method = (parameters.get(name) for name in ("url", "imageStream", "pullMethod"))
    field = "spec.source.Registry"
    if (url is None) == (stream is None):
        return _invalid("Source registry should have either URL or ImageStream", field)
    if url is not None and urlsplit(url).scheme not in ("docker", "oci-archive"):
        return _invalid(f"Illegal registry source URL scheme {url}", f"{field}.URL")
    if method not in (None, "pod", "node"):
        return _invalid(f'ImportMethod {method} is neither pod, node or ""', f"{field}.importMethod")
    if stream is not None and method != "node":
        text = "Source registry ImageStream is supported only with node pull import method"
        return _invalid(text, f"{field}.importMethod")
    return []


def _imageio(parameters: Object) -> Causes:
    field = "spec.source.Imageio"
    if not parameters.get("secretRef") or not parameters.get("diskId"):
        return _invalid(f"{field} source Imageio is not valid", field)
    if not parameters.get("certConfigMap") and not parameters.get("insecureSkipVerify"):
        return _invalid(f"{field} source Imageio requires CertConfigMap or InsecureSkipVerify", field)
    return _address("ImageIO")(parameters)


def _vddk(parameters: Object) -> Causes:
    field = "spec.source.VDDK"
    if not all(parameters.get(name) for name in ("secretRef", "uuid", "backingFile", "thumbprint")):
        return _invalid(f"{field} source VDDK is not valid", field)
    return _address("VDDK")(parameters)


def _named(name: str, what: str) -> Rule:
    field = f"spec.source.{name}"
    return lambda parameters: (
        []
        if parameters.get("namespace") and parameters.get("name")
        else _invalid(f"{field} source {what} is not valid", field)
    )


RULES: dict[str, Rule] = {
    "http": _http,
    "s3": _address("S3"),
    "gcs": _address("GCS"),
    "registry": _registry,
    "imageio": _imageio,
    "vddk": _vddk,
    "pvc": _named("PVC", "PVC"),
    "snapshot": _named("Snapshot", "snapshot"),
}
