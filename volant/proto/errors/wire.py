"""What a peer does against the rules of the wire."""

from __future__ import annotations

from volant.proto.errors.root import Fault


class ProtocolFault(Fault):
    """The peer broke the wire's rules; the connection ends."""

    code = "protocol"
    http_status = 400


class FrameTooLarge(ProtocolFault):
    code = "protocol.frame_too_large"

    def __init__(self, length: int, limit: int) -> None:
        super().__init__(f"a frame of {length} bytes was announced; the limit is {limit}", hint="send less at once, or use a byte stream")


class MalformedFrame(ProtocolFault):
    """A frame that is not one item of our CBOR subset, or is not a message."""

    code = "protocol.malformed"


class OutOfOrder(ProtocolFault):
    """A well-formed message at a time or for a call where it has no place."""

    code = "protocol.order"


class VersionMismatch(ProtocolFault):
    """Both sides speak, and share no protocol version."""

    code = "protocol.version"


class CreditOverrun(ProtocolFault):
    """More bytes were sent than were granted."""

    code = "protocol.credit"


class TooManyCalls(ProtocolFault):
    """One connection has too many calls open; only that call is refused."""

    code = "protocol.too_many_calls"
    http_status = 429

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} calls are open on this connection", hint="wait for one to end, or open another connection", limit=limit)
