"""Reads syslog messages, one a line, and prints what each says as JSON. Stops at the first that breaks RFC 5424, the schema of
PS3.15 A.5.1 (audit_message.rng beside this file) or a rule that no schema can hold."""

import base64
import json
import pathlib
import re
import sys

from lxml import etree

SCHEMA = etree.RelaxNG(etree.parse(pathlib.Path(__file__).with_name("audit_message.rng")))
HEADER = re.compile(
    r"<(?P<priority>8[45])>1 (?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:Z|[+-]\d\d:\d\d)) "
    r"(?P<host>[!-~]{1,255}) (?P<application>gantry) (?P<process>\d{1,10}) (?P<message_id>[!-~]{1,32}) - (?P<xml><.*>)"
)
ALERT = "110113"


def read(line):
    header = HEADER.fullmatch(line)
    if header is None:
        sys.exit(f"no message of RFC 5424: {line[:200]!r}")
    message = etree.fromstring(header["xml"].encode(), etree.XMLParser(resolve_entities=False))
    if not SCHEMA.validate(message):
        sys.exit(f"{SCHEMA.error_log}\n{header['xml']}")
    event = message.find("EventIdentification")
    code, kind = event.find("EventID").get("csd-code"), event.find("EventTypeCode")
    participants = message.findall("ActiveParticipant")
    objects = message.findall("ParticipantObjectIdentification")
    patients = [one for one in objects if one.get("ParticipantObjectTypeCode") == "1"]
    details = [
        base64.b64decode(detail.get("value")).decode()
        for detail in message.iter("ParticipantObjectDetail")
        if detail.get("type") == "Alert Description"
    ]
    problems = [
        (event.get("EventDateTime") != header["at"], "header and message differ in time"),
        ((header["priority"] == "84") != (code == ALERT), "the priority is not that of the event"),
        (sum(one.get("UserIsRequestor") == "true" for one in participants) > 1, "two requestors"),
        (len(patients) > 1, "two patients"),
        (code == ALERT and not details, "an alert without its description"),
    ]
    for is_one, problem in problems:
        if is_one:
            sys.exit(f"{problem}: {header['xml']}")
    return {
        "event": code,
        "kind": kind.get("csd-code") if kind is not None else "",
        "action": event.get("EventActionCode"),
        "outcome": event.get("EventOutcomeIndicator"),
        "users": [one.get("UserID") for one in participants],
        "titles": [one.get("AlternativeUserID", "") for one in participants],
        "names": [one.get("UserName", "") for one in participants],
        "objects": [one.get("ParticipantObjectID") for one in objects],
        "patient": patients[0].get("ParticipantObjectID") if patients else "",
        "counts": {
            one.get("UID"): int(one.get("NumberOfInstances")) for one in message.iter("SOPClass")
        },
        "encrypted": message.findtext(".//Encrypted", ""),
        "anonymized": message.findtext(".//Anonymized", ""),
        "alert": "; ".join(details),
        "query": "".join(
            base64.b64decode(one.text or "").hex() for one in message.iter("ParticipantObjectQuery")
        ),
        "syntax": "".join(
            base64.b64decode(detail.get("value")).decode()
            for detail in message.iter("ParticipantObjectDetail")
            if detail.get("type") == "TransferSyntax"
        ),
    }


json.dump([read(line) for line in sys.stdin.buffer.read().decode().split("\n") if line], sys.stdout)
