"""Compares objects with what they became on the way to a peer, as pydicom reads both: a JSON array of faults.

Arguments: a folder with NAME.before and NAME.after, and the changes as JSON: {"set": {keyword: text}, "remove": [keyword]}.
"""

import json
import pathlib
import sys

import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.tag import Tag

ORIGINAL = Tag(0x0400, 0x0561)


def raw(dataset, tag):
    """The bytes of a value as they stand in the file; items for a sequence."""
    element = dataset.get_item(tag)
    if getattr(element, "VR", None) == "SQ" and not isinstance(element.value, (bytes, type(None))):
        return [{str(t): raw(item, t) for t in item.keys()} for item in element.value]
    return element.value


def check(name, before, after, changes):
    named = {Tag(tag_for_keyword(k)) for k in [*changes["set"], *changes["remove"]]}
    touched_groups = {t.group for t in named} | {0x0400}

    def others(dataset):
        kept = [t for t in dataset.keys() if t not in named and t != ORIGINAL]
        return [t for t in kept if t.element != 0 or t.group not in touched_groups]

    if others(before) != others(after):
        yield f"{name}: other elements"
    for tag in others(before):
        if tag in after and raw(before, tag) != raw(after, tag):
            yield f"{name}: another value of {tag}"
    if list(after.keys()) != sorted(after.keys()) and list(before.keys()) == sorted(before.keys()):
        yield f"{name}: the elements are in disorder"
    for keyword in changes["remove"]:
        if keyword in after:
            yield f"{name}: {keyword} is still there"
    replaced = {}
    for keyword, text in changes["set"].items():
        if str(after.get(keyword)) != text:
            yield f"{name}: {keyword} is not as set"
        tag = Tag(tag_for_keyword(keyword))
        if tag in before and str(before[tag].value) != text:
            replaced[tag] = raw(pydicom.dcmread(folder / f"{name}.before", force=True), tag)
    items = after[ORIGINAL].value if ORIGINAL in after else []
    earlier = len(before[ORIGINAL].value) if ORIGINAL in before else 0
    if len(items) != earlier + bool(replaced):
        yield f"{name}: {len(items)} items of original attributes"
    elif replaced:
        item = items[-1]
        recorded = item.ModifiedAttributesSequence[0]
        if list(recorded.keys()) != sorted(replaced):
            yield f"{name}: other attributes are recorded"
        for tag, value in replaced.items():
            if tag in recorded and raw(recorded, tag) != value:
                yield f"{name}: {tag} is recorded otherwise"
        told = (item.ModifyingSystem, item.ReasonForTheAttributeModification)
        if told != ("GANTRY", "COERCE") or item.SourceOfPreviousValues:
            yield f"{name}: recorded by {told}"
        if not item.AttributeModificationDateTime:
            yield f"{name}: no time of the change"


folder = pathlib.Path(sys.argv[1])
changes = json.loads(sys.argv[2])
faults = []
for path in sorted(folder.glob("*.before")):
    before = pydicom.dcmread(path, force=True)
    after = pydicom.dcmread(path.with_suffix(".after"), force=True)
    faults += check(path.stem, before, after, changes)
json.dump(faults, sys.stdout)
