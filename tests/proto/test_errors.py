"""The fault tree: each failure travels as itself, and is said where a reader looks for it."""

from __future__ import annotations

import pytest

from volant.proto import errors
from volant.proto.errors import ExitCode, Fault, FrameTooLarge, InvalidManifest, NoSuchVm, VersionStale, all_faults

IN_THE_CONTRACT = (cls for cls in all_faults().values() if cls.__module__.startswith(errors.__name__))
"""Not those of single rooms, which nobody else sees, and whose modules may be imported here or not."""
SUBCLASSES = sorted((cls for cls in IN_THE_CONTRACT if cls is not Fault), key=lambda cls: cls.code)


@pytest.mark.parametrize(
    "fault", [NoSuchVm("web"), InvalidManifest((("cpus", "too many"),)), VersionStale("web", 1, 3), FrameTooLarge(9, 8)]
)
def test_a_fault_arrives_as_it_was_sent(fault: Fault) -> None:
    arrived = Fault.from_wire(fault.to_wire())
    assert type(arrived) is type(fault)
    assert (arrived.message, arrived.hint, arrived.data, str(arrived)) == (fault.message, fault.hint, fault.data, str(fault))


def test_a_fault_of_a_newer_peer_keeps_its_code() -> None:
    arrived = Fault.from_wire({"code": "conflict.of_tomorrow", "message": "no", "data": {"message": "of the data"}})
    assert type(arrived) is Fault
    assert (arrived.message, arrived.data, arrived.exit_code) == (
        "no",
        {"message": "of the data", "code": "conflict.of_tomorrow"},
        ExitCode.FAILED,
    )


def test_every_class_has_a_code_of_its_own() -> None:
    def below(cls: type[Fault]) -> list[type[Fault]]:
        return [cls, *(found for child in cls.__subclasses__() for found in below(child))]

    classes = below(Fault)
    assert len({cls.code for cls in classes}) == len(classes)


@pytest.mark.parametrize("cls", SUBCLASSES, ids=lambda cls: cls.__name__)
def test_the_page_of_faults_names_each_and_offers_it(cls: type[Fault]) -> None:
    assert getattr(errors, cls.__name__) is cls
    assert cls.__name__ in (errors.__doc__ or "").split()
