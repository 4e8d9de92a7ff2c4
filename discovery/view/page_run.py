"""A page run as Streamlit's browser side asks for it: asked for again from the server's side.

The browser keeps what it shows when its connection ends and begins anew. So that it shows what
holds now, the page is run once more before.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg


def same_page(data: bytes) -> bytes | None:
    """The message that runs the page of `data`, a message from the browser, anew: the whole page,
    at its address, with nothing pressed. None when `data` asks for no page run."""
    try:
        asked = BackMsg.FromString(data)
    except DecodeError:
        return None
    if asked.WhichOneof("type") != "rerun_script":
        return None
    again = BackMsg()
    again.rerun_script.query_string = asked.rerun_script.query_string
    again.rerun_script.page_script_hash = asked.rerun_script.page_script_hash
    again.rerun_script.page_name = asked.rerun_script.page_name
    again.rerun_script.context_info.CopyFrom(asked.rerun_script.context_info)
    return bytes(again.SerializeToString())


def ends_a_run(data: bytes) -> bool:
    """Whether `data`, a message to the browser, says that a page run has ended."""
    try:
        return bool(ForwardMsg.FromString(data).WhichOneof("type") == "script_finished")
    except DecodeError:
        return False
