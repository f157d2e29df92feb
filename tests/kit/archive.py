"""An archive of pynetdicom: takes objects, answers C-FIND at IMAGE level by the book, and may want to know who calls.

archive.py PORT AE_TITLE [USER-IDENTITY-TYPE PRIMARY SECONDARY]: with these it lets nobody in without exactly this identity.
Prints a line when it listens and for each thing that happens."""

import sys

from pydicom.dataset import Dataset
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, StoragePresentationContexts, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind, Verification

PORT, TITLE, WANTED = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
KEPT = {}


def say(*words):
    print(*words, flush=True)


def stored(event):
    data_set = event.dataset
    KEPT[data_set.SOPInstanceUID] = (data_set.StudyInstanceUID, data_set.SeriesInstanceUID)
    say("stored", data_set.SOPInstanceUID)
    return 0x0000


def found(event):
    query = event.identifier
    keys = {element.keyword for element in query}
    wanted = query.get("SOPInstanceUID")
    wanted = [wanted] if isinstance(wanted, str) else list(wanted or [])
    say("asked", query.get("QueryRetrieveLevel"), len(wanted), *sorted(keys))
    of = (query.get("StudyInstanceUID"), query.get("SeriesInstanceUID"))
    if query.get("QueryRetrieveLevel") != "IMAGE" or not all(of):
        yield 0xA900, None
        return
    for uid, place in KEPT.items():
        if place == of and (not wanted or uid in wanted):
            match = Dataset()
            match.QueryRetrieveLevel = "IMAGE"
            match.StudyInstanceUID, match.SeriesInstanceUID = of
            match.SOPInstanceUID = uid
            yield 0xFF00, match


def identified(event):
    kind, primary = event.user_id_type, event.primary_field or b""
    said = [str(kind), primary.decode(), (event.secondary_field or b"").decode()]
    is_known = said == WANTED
    say("identity", kind, "known" if is_known else "unknown")
    return is_known, b"ticket" if kind >= 3 else None


ae = AE(TITLE)
ae.add_supported_context(Verification)
ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
for context in StoragePresentationContexts:
    ae.add_supported_context(context.abstract_syntax, ALL_TRANSFER_SYNTAXES)
handlers = [(evt.EVT_C_STORE, stored), (evt.EVT_C_FIND, found)]
if WANTED:
    handlers.append((evt.EVT_USER_ID, identified))
server = ae.start_server(("127.0.0.1", PORT), block=False, evt_handlers=handlers)
say("listens")
sys.stdin.read()
server.shutdown()
