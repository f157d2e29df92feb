"""A scanner made with pynetdicom: asks for roles, levels and a user identity, stores, and prints what it was told.

    negotiates.py PORT USER PASSCODE

The first line is `accepted` or `rejected R/S/R`, then a line for each answer, then the status of a C-STORE.
"""

import sys

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.pdu import A_ASSOCIATE_RJ
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
PRIVATE = "1.2.826.0.1.3680043.9.9999.7"

port, user, passcode = int(sys.argv[1]), sys.argv[2], sys.argv[3]

identity = UserIdentityNegotiation()
identity.user_identity_type = 2
identity.primary_field = user.encode()
identity.secondary_field = passcode.encode()
identity.positive_response_requested = True

levels = SOPClassExtendedNegotiation()
levels.sop_class_uid = CT
levels.service_class_application_information = b"\x03\x00\x03\x00\x01\x00"

common = SOPClassCommonExtendedNegotiation()
common.sop_class_uid = PRIVATE
common.service_class_uid = "1.2.840.10008.4.2"

window = AsynchronousOperationsWindowNegotiation()
window.maximum_number_operations_invoked = 8
window.maximum_number_operations_performed = 8

ae = AE("SCANNER")
ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
ae.add_requested_context(CT, ImplicitVRLittleEndian)
ae.add_requested_context(PRIVATE, ImplicitVRLittleEndian)
further = [build_role(CT, scu_role=True, scp_role=True), identity, levels, common, window]

# From the PDU itself: pynetdicom forgets a rejection that comes before it has looked at its own socket.
rejections = []


def heard(event):
    if isinstance(event.pdu, A_ASSOCIATE_RJ):
        rejections.append(event.pdu)


association = ae.associate(
    "127.0.0.1", port, ae_title="GANTRY", ext_neg=further, evt_handlers=[(evt.EVT_PDU_RECV, heard)]
)
if not association.is_established:
    answer = rejections[0]
    print(f"rejected {answer.result}/{answer.source}/{answer.reason_diagnostic}")
    sys.exit()

print("accepted")
acceptor = association.acceptor
for context in association.accepted_contexts:
    print(f"context {context.abstract_syntax} scu={context.as_scu} scp={context.as_scp}")
for role in acceptor.role_selection.values():
    print(f"role {role.sop_class_uid} {int(role.scu_role)}/{int(role.scp_role)}")
for sop_class, information in acceptor.sop_class_extended.items():
    print(f"level {sop_class} {information.hex()}")
print(f"identity {'confirmed' if acceptor.user_identity is not None else 'not confirmed'}")
print(f"window {acceptor.asynchronous_operations}")

image = Dataset()
image.SOPClassUID, image.SOPInstanceUID = PRIVATE, "1.2.826.0.1.3680043.9.9999.7.1"
image.StudyInstanceUID, image.SeriesInstanceUID = "1.2.826.1", "1.2.826.1.1"
image.file_meta = FileMetaDataset()
image.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
print(f"status {association.send_c_store(image).Status:04X}")
association.release()
