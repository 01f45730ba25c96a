"""Types and enumerations of a VM or VMI, refused with the words of the mutating webhooks."""

from __future__ import annotations

from typing import Any

from ..quantity import QuantityError, canonical
from ..resources import Object

GO_NAMES = {
    "VirtualMachine": "VirtualMachineInstanceTemplateSpec.spec.template.",
    "VirtualMachineInstance": "VirtualMachineInstance.",
}
OPERATORS = ["DoesNotExist", "Exists", "Gt", "In", "Lt", "NotIn"]
EFFECTS = ["NoExecute", "NoSchedule", "PreferNoSchedule"]


class TypeProblem(Exception):
    """Fields of a wrong type, with a message each."""

    def __init__(self, messages: list[str]) -> None:
        super().__init__("; ".join(messages))
        self.messages = messages


class UnmarshalProblem(Exception):
    """Go could not have read the object."""


def check(obj: Object, spec_notation: Any, kind: str) -> None:
    """Raise TypeProblem or UnmarshalProblem for what the notation does not allow."""
    messages: list[str] = []
    spec = obj.get("spec")
    _walk(spec if spec is not None else {}, spec_notation, "spec", messages)
    template = ((spec or {}).get("template") or {}).get("spec") if kind == "VirtualMachine" else spec
    if isinstance(template, dict):
        prefix = "spec.template.spec" if kind == "VirtualMachine" else "spec"
        _enums(template, prefix, messages)
    if messages:
        raise TypeProblem(messages)
    _unsigned(spec or {}, spec_notation, "spec", kind)


def _walk(value: Any, notation: Any, path: str, messages: list[str]) -> None:
    if value is None:
        return
    if isinstance(notation, dict):
        _object(value, notation, path, messages)
    elif isinstance(notation, list):
        if not isinstance(value, list):
            messages.append(_wrong(path, "array", value))
            return
        for item in value:
            _walk(item, notation[0], path, messages)
    elif notation == "M":
        _map(value, path, messages)
    else:
        _leaf(value, notation, path, messages)


def _object(value: Any, notation: dict[str, Any], path: str, messages: list[str]) -> None:
    if not isinstance(value, dict):
        messages.append(_wrong(path, "object", value))
        return
    for name, part in notation.items():
        field = name.rstrip("!")
        if name.endswith("!") and value.get(field) is None:
            messages.append(f"{path}.{field} in body is required")
        _walk(value.get(field), part, f"{path}.{field}", messages)


def _map(value: Any, path: str, messages: list[str]) -> None:
    if not isinstance(value, dict):
        messages.append(_wrong(path, "object", value))
        return
    for key, item in value.items():
        if not isinstance(item, str):
            messages.append(_wrong(f"{path}.{key}", "string", item))


def _leaf(value: Any, notation: Any, path: str, messages: list[str]) -> None:
    wanted = {"S": "string", "I": "integer", "U": "integer", "B": "boolean"}.get(notation)
    if wanted is None:
        return
    fits = {
        "string": isinstance(value, str),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
    }[wanted]
    if not fits:
        messages.append(_wrong(path, wanted, value))


def _wrong(path: str, wanted: str, value: Any) -> str:
    names = {str: "string", bool: "boolean", int: "number", float: "number", list: "array", dict: "object"}
    return f'{path} in body must be of type {wanted}: "{names.get(type(value), "null")}"'


def _enums(spec: Object, prefix: str, messages: list[str]) -> None:
    for item in spec.get("tolerations") or []:
        if isinstance(item, dict) and item.get("effect") and item["effect"] not in EFFECTS:
            messages.append(f"{prefix}.tolerations.effect in body should be one of [{' '.join(EFFECTS)}]")
    _operators(spec.get("affinity"), f"{prefix}.affinity", messages)
    for item in spec.get("accessCredentials") or []:
        for kind in ("sshPublicKey", "userPassword"):
            if isinstance(item.get(kind), dict) and not item[kind].get("propagationMethod"):
                messages.append(f"{prefix}.accessCredentials.{kind}.propagationMethod in body is required")


def _operators(value: Any, path: str, messages: list[str]) -> None:
    """Node selector operators anywhere in an affinity."""
    if isinstance(value, list):
        for item in value:
            _operators(item, path, messages)
    elif isinstance(value, dict):
        for key, item in value.items():
            if (
                key == "operator"
                and path.endswith("matchExpressions")
                and "nodeAffinity" in path
                and item not in OPERATORS
            ):
                messages.append(f"{path}.operator in body should be one of [{' '.join(OPERATORS)}]")
            _operators(item, f"{path}.{key}", messages)


def _unsigned(value: Any, notation: Any, path: str, kind: str) -> None:
    """What passes the schema and yet cannot be read: negative unsigned numbers, bad quantities."""
    if value is None:
        return
    if isinstance(notation, dict):
        for name, part in notation.items():
            field = name.rstrip("!")
            _unsigned(value.get(field), part, f"{path}.{field}", kind)
    elif isinstance(notation, list):
        for item in value:
            _unsigned(item, notation[0], path, kind)
    elif notation == "U" and value < 0:
        short = path.removeprefix("spec.template.") if kind == "VirtualMachine" else path
        raise UnmarshalProblem(
            f"json: cannot unmarshal number {value} into Go struct field {GO_NAMES[kind]}{short} of type {_go_type(path)}"
        )
    elif notation in ("Q", "QM"):
        _quantities(value if notation == "QM" else {"": value})


def _go_type(path: str) -> str:
    return "uint32" if ".cpu." in path else "uint"


def _quantities(values: Any) -> None:
    for item in values.values():
        try:
            canonical(item)
        except QuantityError as error:
            raise UnmarshalProblem(str(error)) from None


def normalise(value: Any, notation: Any) -> Any:
    """The value as Go writes it again: canonical quantities, no empty lists and maps."""
    if value is None:
        return None
    if isinstance(notation, dict):
        known = {name.rstrip("!"): part for name, part in notation.items()}
        result = {}
        for name, item in value.items():
            written = normalise(item, known.get(name))
            if written is not None or name not in known:
                result[name] = written
        return result
    if isinstance(notation, list):
        return [normalise(item, notation[0]) for item in value] or None
    if notation == "Q":
        return canonical(value)
    if notation == "QM":
        return {name: canonical(item) for name, item in value.items()} or None
    if notation == "M":
        return value or None
    return value
